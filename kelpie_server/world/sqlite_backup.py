"""A copy of a database to another file while it is in use.

It is made in steps of a bounded number of pages, so that transactions go on between them; what they write is copied
too. The target changes in one transaction at the end: a copy that breaks off leaves it as it was.
"""

import apsw

STEP_PAGES = 256


class SqliteBackup:
    """One copy under way. Runs where the source's connection runs."""

    def __init__(self, source: apsw.Connection, path: str) -> None:
        self._target = apsw.Connection(path)
        self._copy = self._target.backup("main", source, "main")

    def step(self) -> bool:
        """Copy some pages; return True when all are there."""
        return self._copy.step(STEP_PAGES)

    def finish(self) -> None:
        """Let go of both files; what is not complete by now is dropped. What went wrong was raised by its step."""
        self._copy.close(force=True)
        self._target.close()
