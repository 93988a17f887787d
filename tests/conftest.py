"""What all tests share: Hypothesis draws the same examples in every run, so that a red test is red for everybody."""

import hypothesis

hypothesis.settings.register_profile("kelpie", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("kelpie")
