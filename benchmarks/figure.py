"""A measured number, the bound it is held to, and what it was measured against."""

import attrs


@attrs.frozen(kw_only=True)
class Figure:
    """One line of a bench's table. `floor` or `ceiling` is its bound; a figure with neither is told for comparison."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    ceiling: float | None = None
    against: str = ""
    """The peer, with its version and its own number."""

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bound."""
        above = self.floor is None or self.value >= self.floor
        return above and (self.ceiling is None or self.value <= self.ceiling)

    @property
    def bound(self) -> str:
        """The bound as text, empty if there is none."""
        if self.floor is not None:
            return f">= {self.floor:g}"
        return "" if self.ceiling is None else f"<= {self.ceiling:g}"
