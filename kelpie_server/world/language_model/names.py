"""Names as providers take them, and the way back.

Providers take letters, digits, - and _, up to 64 of them, and no name twice. Ours are freer: a tool of a file may be
called anything. What the model calls is led back to the name that we know.
"""

import re
from collections.abc import Iterable

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
NAME_CHARS_MAX = 64
_FIT_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


class Names:
    """Our names and the provider's, one to one."""

    def __init__(self, ours: Iterable[str]) -> None:
        self._theirs: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        for name in ours:
            self.theirs(name)

    def theirs(self, ours: str) -> str:
        """Return the provider's name for one of ours."""
        if ours not in self._theirs:
            name = fit_name(ours)
            number = 1
            while name in self._ours:
                number += 1
                name = f"{fit_name(ours)[: NAME_CHARS_MAX - 8]}_{number}"
            self._theirs[ours] = name
            self._ours[name] = ours
        return self._theirs[ours]

    def ours(self, theirs: str) -> str:
        """Return our name for one of the provider's, the same if it is none that we gave."""
        return self._ours.get(theirs, theirs)


class CallIds:
    """Ids of tool calls as providers take them: as they are if they fit and are new, else numbered."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, call_id: str) -> str:
        """Return an id that no other call of the window has."""
        number = len(self._taken)
        while call_id in self._taken or not _FIT_ID.fullmatch(call_id):
            call_id = f"call_{number}"
            number += 1
        self._taken.add(call_id)
        return call_id


def fit_name(name: str) -> str:
    """Return a name with what providers do not take replaced."""
    return _UNFIT.sub("_", name)[:NAME_CHARS_MAX] or "_"
