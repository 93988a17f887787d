"""Write docs/reference/configuration.md, which is made from the fields of kelpie_server's Config.

python -m tools.write_configuration
"""

from pathlib import Path

from kelpie_server.settings_page import reference_page

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"

if __name__ == "__main__":
    PAGE.write_text(reference_page())
