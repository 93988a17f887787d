"""What must happen at least once over a campaign.

A search that never meets a retry, a torn write or a recovery proves nothing about them. A scenario declares what it
means to reach, the program's world or workload hits it, and the campaign lists what no seed hit.
"""

from collections.abc import Iterable, Mapping


class Sometimes:
    """Counts, per declared name, how often it happened in a run."""

    def __init__(self, declared: Iterable[str]) -> None:
        self._counts = dict.fromkeys(declared, 0)

    def hit(self, name: str) -> None:
        """Count that it happened; raise ValueError for a name that the scenario does not declare."""
        if name not in self._counts:
            declared = ", ".join(self._counts) or "none"
            raise ValueError(f"the scenario declares no sometimes {name!r}; it declares {declared}")
        self._counts[name] += 1

    def counts(self) -> Mapping[str, int]:
        """Return how often each happened."""
        return dict(self._counts)
