"""Who must come before whom: the direct serialization graph of a history, and what is wrong with its reads alone.

The edges are those of A. Adya, "Weak consistency: a generalized theory and optimistic implementations", 1999:

    ww      a version of one, then a version of the other, on one key
    wr      one read what the other wrote
    rw      one read what the other then overwrote
    rt      one was answered before the other was asked (for strict serializability)

The order of the versions of a list is read off the longest list that anybody saw: whatever was appended and is not in
it came later. That of a register is known where a transaction read one version and wrote the next, and at its start.
So a list tells all, and a register only a part; every edge is certain.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import attrs

from kelpie_sim.check.cycles import Edge, Graph
from kelpie_sim.check.transactions import Key, Kind, Transaction, Value


@attrs.frozen(kw_only=True)
class Anomaly:
    """Something that no serial order could have shown."""

    name: str
    """As the literature calls it: G0, G1a, G1b, G1c, G-single, G2, lost update, ..."""
    transactions: tuple[int, ...]
    story: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((self.name, *(f"  {line}" for line in self.story)))


class Dependencies:
    """The graph of a history, the anomalies of single reads, and the transactions that took effect."""

    def __init__(self, transactions: Sequence[Transaction], kind: Kind, *, strict: bool) -> None:
        self.graph = Graph()
        self.anomalies: list[Anomaly] = []
        self._kind = kind
        self._writer = {(key, value): each for each in transactions for key, value in _written(each)}
        ok = [each for each in transactions if each.outcome == "ok"]
        self._longest = _longest_lists(ok) if kind == "list" else {}
        seen = {writer.index for reader in ok for writer in self._judged_writers(reader)}
        # One of unknown outcome took effect if anybody saw it. Otherwise it may be taken as never done.
        self.effective = [
            each for each in transactions if each.outcome == "ok" or (each.outcome == "info" and each.index in seen)
        ]
        self._writers: dict[Key, list[tuple[Value, Transaction]]] = {}
        for each in self.effective:
            for key, value in _written(each):
                self._writers.setdefault(key, []).append((value, each))
        for key, readers in self._readers().items():
            (self._order_list if kind == "list" else self._order_register)(key, readers)
        if strict:
            self._add_real_time()

    # --- single reads

    def _versions(self, value: Value) -> tuple[Value, ...]:
        """Return the written values that a value read shows, oldest first."""
        if self._kind == "register":
            return () if value is None else (value,)
        assert isinstance(value, tuple), f"a list is read as a tuple, not {value!r}"
        return value

    def _judged_writers(self, reader: Transaction) -> list[Transaction]:
        """Blame what is wrong with the reads of a transaction alone; return whose writes they show.

        Of a list that another one continues, the other tells all but whose write was the last.
        """
        for text in reader.contradictions:
            self._blame("internal", (reader,), f"{reader.name}: {text}")
        writers: list[Transaction] = []
        for key, value in reader.reads.items():
            versions = self._versions(value)
            longest = self._longest.get(key, versions)
            if versions is not longest and versions == longest[: len(versions)]:
                versions = versions[-1:]
            elif len(set(versions)) < len(versions):
                self._blame("duplicate", (reader,), f"{reader.name} read {key!r} as {value!r}: one is there twice")
            for place, version in enumerate(versions, 1):
                self._judge_version(reader, key, version, last=place == len(versions))
            writers += [self._writer[key, version] for version in versions if (key, version) in self._writer]
        return writers

    def _judge_version(self, reader: Transaction, key: Key, version: Value, *, last: bool) -> None:
        writer = self._writer.get((key, version))
        what = f"{reader.name} read {version!r} of {key!r}"
        if writer is None:
            self._blame("garbage read", (reader,), f"{what}, which nobody wrote")
        elif writer is reader:
            self._blame("internal", (reader,), f"{what}, which it only wrote later")
        elif writer.outcome == "fail":
            self._blame("G1a aborted read", (writer, reader), f"{what}, which {writer.name} wrote, and that failed")
        elif last and version != writer.writes[key][-1]:
            final = writer.writes[key][-1]
            self._blame("G1b intermediate read", (writer, reader), f"{what}, which {writer.name} replaced by {final!r}")

    def _blame(self, name: str, who: tuple[Transaction, ...], *story: str) -> None:
        self.anomalies.append(Anomaly(name=name, transactions=tuple(each.index for each in who), story=story))

    # --- the order of versions

    def _readers(self) -> Mapping[Key, list[Transaction]]:
        """Return for each key that was read or written who read it, from outside."""
        keys: dict[Key, list[Transaction]] = {}
        for each in self.effective:
            for key in (*each.writes, *each.reads):
                keys.setdefault(key, [])
            for key in each.reads:
                keys[key].append(each)
        return keys

    def _order_list(self, key: Key, readers: list[Transaction]) -> None:
        lists = [self._versions(reader.reads[key]) for reader in readers]
        longest = self._longest.get(key, ())
        for reader, seen in zip(readers, lists, strict=True):
            if seen != longest[: len(seen)]:
                story = (
                    f"{reader.name} read {key!r} as {seen!r}, and another as {longest!r}: neither continues the other"
                )
                self._blame("incompatible order", (reader,), story)
        shown = set(longest)
        unseen = [(value, writer) for value, writer in self._writers.get(key, ()) if value not in shown]
        known = [(value, self._writer[key, value]) for value in longest if (key, value) in self._writer]
        for (value, writer), (next_value, next_writer) in pairwise(known):
            self._add_ww(key, value, writer, next_value, next_writer)
        for value, writer in unseen if known else ():
            self._add_ww(key, *known[-1], value, writer)
        for reader, seen in zip(readers, lists, strict=True):
            following = unseen if len(seen) >= len(known) else [known[len(seen)]]
            self._add_reader(key, reader, following)

    def _order_register(self, key: Key, readers: list[Transaction]) -> None:
        # What follows each version: at the start everything, else what was written by those who read it.
        following: dict[Value, list[tuple[Value, Transaction]]] = {None: self._writers.get(key, [])}
        for reader in readers:
            if reader.reads[key] is not None and key in reader.writes:
                following.setdefault(reader.reads[key], []).append((reader.writes[key][-1], reader))
        for value, nexts in following.items():
            for next_value, next_writer in nexts if (key, value) in self._writer else ():
                self._add_ww(key, value, self._writer[key, value], next_value, next_writer)
        for reader in readers:
            self._add_reader(key, reader, following.get(reader.reads[key], []))

    def _add_reader(self, key: Key, reader: Transaction, following: Iterable[tuple[Value, Transaction]]) -> None:
        value = reader.reads[key]
        versions = self._versions(value)
        writer = self._writer.get((key, versions[-1])) if versions else None
        if writer is not None:
            self._add(writer, reader, "wr", f"{reader.name} read {key!r} as {value!r}, which {writer.name} wrote")
        for later, overwriter in following:
            why = f"{reader.name} read {key!r} as {value!r}, and {overwriter.name} wrote {later!r} after that"
            self._add(reader, overwriter, "rw", why)

    def _add_ww(self, key: Key, value: Value, writer: Transaction, later: Value, later_writer: Transaction) -> None:
        why = f"{writer.name} wrote {value!r} to {key!r}, and {later_writer.name} wrote {later!r} after that"
        self._add(writer, later_writer, "ww", why)

    def _add(self, source: Transaction, target: Transaction, kind: str, why: str) -> None:
        self.graph.add(Edge(source=source.index, target=target.index, kind=kind, why=why))

    # --- real time

    def _add_real_time(self) -> None:
        """Add rt edges from the latest answered to who is asked next; the earlier ones follow over those."""
        asked = [(each.start, 0, each) for each in self.effective]
        answered = [(each.end, 1, each) for each in self.effective if each.end is not None]
        frontier: dict[int, Transaction] = {}
        before: dict[int, list[int]] = {}
        for _, is_answer, each in sorted([*asked, *answered], key=lambda event: event[:2]):
            if is_answer:
                for index in before[each.index]:
                    frontier.pop(index, None)
                frontier[each.index] = each
                continue
            before[each.index] = list(frontier)
            for earlier in frontier.values():
                why = f"{earlier.name} was answered before {each.name} was asked"
                self._add(earlier, each, "rt", why)


def _written(transaction: Transaction) -> Iterator[tuple[Key, Value]]:
    return ((key, value) for key, values in transaction.writes.items() for value in values)


def _longest_lists(readers: Iterable[Transaction]) -> dict[Key, tuple[Value, ...]]:
    """Return per key the longest list that anybody read, the first of them."""
    longest: dict[Key, tuple[Value, ...]] = {}
    for reader in readers:
        for key, value in reader.reads.items():
            if isinstance(value, tuple) and len(value) > len(longest.get(key, ())):
                longest[key] = value
    return longest
