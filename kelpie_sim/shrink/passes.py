"""Edits that make a failing run plainer: fewer faults, fewer and smaller choices in each stream.

Each pass leaves the smallest run it found as the best of the trials, and does nothing when run again without other
progress. Blocks are tried from the end of a stream backwards: what comes before an edit then keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Callable

from kelpie_sim.faults import MUTED_STREAM
from kelpie_sim.shrink.choices import Choices, Pairs
from kelpie_sim.shrink.trials import Trials
from kelpie_sim.strategies import SCHEDULE_STREAM


def calm(trials: Trials) -> None:
    """Try the plainest runs of all: everything at 0; all but the order; all but the faults; only either of them."""
    best = trials.best.choices
    harm = (SCHEDULE_STREAM, *(name for name in best.names if name.startswith("fault")))
    for choices in (Choices(), best.only(*harm), best.without(SCHEDULE_STREAM), best.only(SCHEDULE_STREAM)):
        trials.keeps(choices)


def mute_faults(trials: Trials, count: int) -> None:
    """Mute all faults, else one by one from the last."""
    if not trials.best.size.faults:
        return
    if not trials.keeps(_muting(trials.best.choices, tuple(range(count)))):
        for index in reversed(range(count)):
            muted = (at for at, _ in trials.best.choices.of(MUTED_STREAM))
            trials.keeps(_muting(trials.best.choices, (*muted, index)))


def _muting(choices: Choices, indices: tuple[int, ...]) -> Choices:
    silent = tuple(name for name in choices.names if any(name.startswith(f"fault/{index}/") for index in indices))
    return choices.without(*silent).replaced(MUTED_STREAM, ((index, 1) for index in sorted(set(indices))))


def plain_streams(trials: Trials) -> None:
    """Put whole streams to 0, those that hold the most first."""
    best = trials.best.choices
    for name in sorted(other_streams(best), key=lambda name: -len(best.of(name))):
        trials.keeps(trials.best.choices.without(name))


def other_streams(choices: Choices) -> tuple[str, ...]:
    """Return the streams that are neither the order nor the list of muted faults."""
    return tuple(name for name in choices.names if name not in (SCHEDULE_STREAM, MUTED_STREAM))


def cut_tail(trials: Trials, name: str) -> None:
    """Find how early all further choices of a stream can be 0, by halving."""
    low, high = 0, len(trials.best.choices.of(name))
    while low < high:
        middle = (low + high) // 2
        pairs = trials.best.choices.of(name)
        if trials.keeps(trials.best.choices.replaced(name, pairs[:middle])):
            high = min(middle, len(trials.best.choices.of(name)))
        else:
            low = middle + 1


def drop_blocks(trials: Trials, name: str) -> None:
    """Put blocks of a stream's choices to 0: halves, quarters, ... single ones."""
    _without_blocks(trials, name, lambda before, block, after: before + after)


def cut_blocks(trials: Trials, name: str) -> None:
    """Cut blocks out of a stream, so that all later choices move up: what they meant moves up as well where an
    operation less is made, or a piece of the workload less."""

    def cut(before: Pairs, block: Pairs, after: Pairs) -> Pairs:
        width = block[-1][0] + 1 - block[0][0]
        return before + tuple((index - width, choice) for index, choice in after)

    _without_blocks(trials, name, cut)


def _without_blocks(trials: Trials, name: str, joined: Callable[[Pairs, Pairs, Pairs], Pairs]) -> None:
    size = max(1, len(trials.best.choices.of(name)) // 2)
    while True:
        end = len(trials.best.choices.of(name))
        while end > 0:
            start = max(0, end - size)
            pairs = trials.best.choices.of(name)
            rest = joined(pairs[:start], pairs[start:end], pairs[end:])
            trials.keeps(trials.best.choices.replaced(name, rest))
            end = min(start, len(trials.best.choices.of(name)))
        if size == 1:
            return
        size //= 2


def lower_choices(trials: Trials, name: str) -> None:
    """Lower each choice of a stream towards 1, by halving, the last first."""
    for position in reversed(range(len(trials.best.choices.of(name)))):
        pairs = trials.best.choices.of(name)
        if position < len(pairs):
            _lower(trials, name, pairs[position][0])


def _lower(trials: Trials, name: str, index: int) -> None:
    low, high = 1, dict(trials.best.choices.of(name))[index]
    while low < high:
        middle = (low + high) // 2
        pairs = dict(trials.best.choices.of(name))
        if index not in pairs:
            return
        if trials.keeps(trials.best.choices.replaced(name, {**pairs, index: middle}.items())):
            high = middle
        else:
            low = middle + 1
