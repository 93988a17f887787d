"""The one name for JSON that we carry along without looking inside.

`Any` appears here and nowhere else: a JSON object of unknown shape has no better type that msgspec decodes.
"""

from typing import Any

JsonValue = Any
JsonObject = dict[str, Any]
