"""Limits: whole positive numbers with a unit, in relations that the code counts on."""

from kelpie_core import limits

BOUNDS = {name: value for name, value in vars(limits).items() if name.isupper()}
UNITS = [
    "CHARS",
    "BYTES",
    "SECONDS",
    "MS",
    "MESSAGES",
    "STEPS",
    "CALLS",
    "TOKENS",
    "RECORDS",
    "ITEMS",
    "RETRIES",
    "TAGS",
    "BLOCKS",
    "TOOLS",
    "DEPTH",
    "RENEWALS",
    "EVENTS",
    "CHUNKS",
]


def test_every_bound_is_a_positive_whole_number() -> None:
    """No bound is zero, negative or a fraction."""
    assert [] == [name for name, value in BOUNDS.items() if type(value) is not int or value < 1]


def test_every_bound_says_its_unit() -> None:
    """The name says of what it is the number."""
    assert [] == [name for name in BOUNDS if not set(name.split("_")) & set(UNITS)]


def test_backoffs_grow() -> None:
    """A backoff's first wait is shorter than its longest."""
    assert limits.RETRY_BACKOFF_MS < limits.RETRY_BACKOFF_MS_MAX
    assert limits.MODEL_BACKOFF_MS < limits.MODEL_BACKOFF_MS_MAX


def test_store_retries_end_before_the_lease() -> None:
    """A process that waits for a failing store as often as it may has not lost its lease for that alone."""
    waits = [
        min(limits.RETRY_BACKOFF_MS << number, limits.RETRY_BACKOFF_MS_MAX)
        for number in range(limits.STORE_RETRIES_MAX)
    ]
    assert sum(waits) < limits.LEASE_SECONDS * 1000


def test_all_steps_of_a_run_fit_into_one_read() -> None:
    """The steps of the longest run are read in one piece."""
    assert limits.TURN_STEPS_MAX <= limits.PAGE_ITEMS_MAX


def test_a_tool_ends_before_its_turn() -> None:
    """One tool call cannot use up all the time of a turn."""
    assert limits.TOOL_SECONDS_DEFAULT < limits.TURN_SECONDS_DEFAULT
