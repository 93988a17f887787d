"""What a kept trace tells, read once: tasks and their hosts, messages, operations, the lives of hosts, what failed.

The timeline, the story and the diff all look at a run through a reading, so that they agree on what belongs together.
Everything points into the run's entries by index. A trace names no host where a task is born: a task belongs to the
host that its name tells (`server-1/main`, `server-1/7:handle`), or if the program named it, to that of its parent.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import attrs

from kelpie_sim.outcome import Outcome
from kelpie_sim.report.text import cut
from kelpie_sim.trace import BORN, STEP, Entry, Field

# What an entry is about, by its kind or the first word of it. What is not listed is the program's own: "other".
CATEGORIES: Mapping[str, str] = {
    STEP: "steps",
    BORN: "births",
    "net": "messages",
    "op": "operations",
    "fault": "faults",
    "net cut": "faults",
    "net control": "faults",
    "faults lifted": "story",
    "host": "hosts",
    "disk": "disk",
    "story": "story",
    "sometimes": "marks",
    "buggify": "marks",
    "scenario": "run",
    "tape": "run",
}
OTHER = "other"
TAPE = "tape"
# The task of the engine itself: callbacks, timers, and all that no task does.
NOBODY = 0
CONTENT_CHARS_MAX = 60
_UNNAMED = re.compile(r"\d+:")
_STATES = {
    "host start": "up",
    "host resume": "up",
    "host pause": "paused",
    "host crash": "down",
    "host exit": "down",
    "host reformat": "down",
}


@attrs.frozen(kw_only=True)
class TaskLife:
    """A task: where it ran, and the first and the last entry that it made."""

    serial: int
    name: str
    host: str
    parent: int
    first: int
    last: int


@attrs.frozen(kw_only=True)
class Message:
    """Something sent from host to host, and what became of it."""

    sent: int
    ended: int | None
    """None: it was on its way when the run ended."""
    sender: str
    receiver: str
    what: str
    size_bytes: int
    fate: str
    """`delivered`, `dropped` or `pending`."""
    why: str = ""
    content: str = ""
    """How its payload begins, if that is text: the first line."""


@attrs.frozen(kw_only=True)
class Operation:
    """What a client asked for, and what it was told."""

    process: str
    name: str
    arguments: str
    invoked: int
    ended: int | None
    outcome: str = "info"
    result: str = ""


@attrs.frozen(kw_only=True)
class HostSpan:
    """A stretch in which a host was `down` or `paused`; without an end it lasted to the end of the run."""

    host: str
    state: str
    first: int
    last: int | None


@attrs.frozen(kw_only=True)
class Reading:
    """A run as a person sees it."""

    entries: tuple[Entry, ...]
    hosts: tuple[str, ...]
    """In the order in which they appear; the first is "", which stands for the world around them."""
    tasks: Mapping[int, TaskLife]
    entry_hosts: tuple[str, ...]
    """For each entry the host that it happened on."""
    messages: tuple[Message, ...]
    operations: tuple[Operation, ...]
    spans: tuple[HostSpan, ...]
    failed: int | None
    """The entry at which the run failed."""

    @cached_property
    def message_at(self) -> Mapping[int, Message]:
        """The messages by the entries at which they were sent or ended."""
        return {end: message for message in self.messages for end in (message.sent, message.ended) if end is not None}

    @cached_property
    def operation_at(self) -> Mapping[int, Operation]:
        """The operations by the entries at which they were invoked or ended."""
        return {end: each for each in self.operations for end in (each.invoked, each.ended) if end is not None}


def category_of(kind: str) -> str:
    """Return what an entry of this kind is about."""
    return CATEGORIES.get(kind) or CATEGORIES.get(kind.partition(" ")[0], OTHER)


def read_run(outcome: Outcome) -> Reading:
    """Return the reading of a run that kept its entries."""
    reader = _Reader(outcome.entries)
    return Reading(
        entries=outcome.entries,
        hosts=tuple(dict.fromkeys(("", *reader.started, *reader.entry_hosts))),
        tasks=reader.tasks,
        entry_hosts=tuple(reader.entry_hosts),
        messages=tuple(reader.messages),
        operations=tuple(reader.operations),
        spans=tuple(_spans(outcome.entries)),
        failed=failed_entry(outcome.entries) if outcome.failed else None,
    )


def failed_entry(entries: Sequence[Entry]) -> int | None:
    """Return the last entry of the program: what comes after it is the engine putting the run away."""
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        if entry.kind != TAPE and (entry.kind, entry.serial) != (STEP, NOBODY):
            return index
    return None


def _text(fields: Sequence[Field], index: int) -> str:
    """Return a field as text, "" when there is none: a trace may come from another version."""
    if index >= len(fields):
        return ""
    field = fields[index]
    return field.decode(errors="backslashreplace") if isinstance(field, bytes) else str(field)


def _number(fields: Sequence[Field], index: int) -> int:
    field = fields[index] if index < len(fields) else 0
    return field if isinstance(field, int) else 0


def _first_line(fields: Sequence[Field], size_bytes: int) -> str:
    payload, head = (fields[index] if len(fields) > index else b"" for index in (5, 6))
    whole = isinstance(payload, bytes) and len(payload) == size_bytes
    # Of a long payload the trace has a digest, and how it begins.
    beginning = payload if whole else head
    if not isinstance(beginning, bytes):
        return ""
    # A character that is cut off at the end is left out.
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(beginning, final=whole)
    line, end, _ = text.partition("\n")
    line = line.rstrip("\r") + ("..." if line and not (whole or end) else "")
    return cut(line, CONTENT_CHARS_MAX) if line.isprintable() and "\N{REPLACEMENT CHARACTER}" not in line else ""


class _Reader:
    """Goes through the entries once and collects what belongs together."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.started = dict.fromkeys(_text(entry.fields, 0) for entry in entries if entry.kind == "host start")
        self.tasks: dict[int, TaskLife] = {}
        self.entry_hosts: list[str] = []
        self.messages: list[Message] = []
        self.operations: list[Operation] = []
        self._packets: dict[Field, int] = {}
        self._asked: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._running = NOBODY
        for index, entry in enumerate(entries):
            self._read(index, entry)
        self.tasks = {serial: attrs.evolve(task, last=self._last[serial]) for serial, task in self.tasks.items()}

    def _read(self, index: int, entry: Entry) -> None:
        if entry.kind == BORN:
            self._bear(index, entry)
        elif entry.kind == STEP:
            self._running = entry.serial
        elif entry.kind.startswith("net ") and entry.fields:
            self._pass_message(index, entry)
        elif entry.kind.startswith("op "):
            self._ask(index, entry)
        self._last[entry.serial] = index
        self.entry_hosts.append(self._host(entry))

    def _bear(self, index: int, entry: Entry) -> None:
        name = _text(entry.fields, 0)
        host, slash, _ = name.partition("/")
        parent = self.tasks.get(self._running)
        if not (slash and host in self.started):
            host = "" if parent is None or _UNNAMED.match(name) else parent.host
        self.tasks[entry.serial] = TaskLife(
            serial=entry.serial, name=name, host=host, parent=self._running, first=index, last=index
        )

    def _pass_message(self, index: int, entry: Entry) -> None:
        packet, fields = entry.fields[0], entry.fields
        if entry.kind == "net send":
            self._packets[packet] = len(self.messages)
            self.messages.append(
                Message(
                    sent=index,
                    ended=None,
                    sender=_text(fields, 1),
                    receiver=_text(fields, 2),
                    what=_text(fields, 3),
                    size_bytes=_number(fields, 4),
                    fate="pending",
                    content=_first_line(fields, size_bytes=_number(fields, 4)),
                )
            )
        elif packet in self._packets and entry.kind in ("net deliver", "net drop"):
            self._end_message(self._packets[packet], index, entry)

    def _end_message(self, place: int, index: int, entry: Entry) -> None:
        fate = "delivered" if entry.kind == "net deliver" else "dropped"
        ended = attrs.evolve(self.messages[place], ended=index, fate=fate, why=_text(entry.fields, 1))
        if self.messages[place].ended is None:
            self.messages[place] = ended
        else:
            self.messages.append(ended)  # A duplicate: the same packet once more.

    def _ask(self, index: int, entry: Entry) -> None:
        number, fields = _number(entry.fields, 0), entry.fields
        if entry.kind == "op invoke":
            self._asked[number] = len(self.operations)
            self.operations.append(
                Operation(
                    process=_text(fields, 1),
                    name=_text(fields, 2),
                    arguments=_text(fields, 3),
                    invoked=index,
                    ended=None,
                )
            )
        elif number in self._asked:
            place = self._asked[number]
            self.operations[place] = attrs.evolve(
                self.operations[place], ended=index, outcome=entry.kind.removeprefix("op "), result=_text(fields, 1)
            )

    def _host(self, entry: Entry) -> str:
        if entry.kind.startswith(("host ", "disk ")):
            return _text(entry.fields, 0)
        place = self._packets.get(entry.fields[0]) if entry.kind.startswith("net ") and entry.fields else None
        if place is not None:
            message = self.messages[place]
            return message.receiver if entry.kind == "net deliver" else message.sender
        task = self.tasks.get(entry.serial)
        return "" if task is None else task.host


def _spans(entries: Sequence[Entry]) -> Iterator[HostSpan]:
    """Yield the stretches in which hosts were not up, by their ends."""
    since: dict[str, tuple[str, int]] = {}
    for index, entry in enumerate(entries):
        state = _STATES.get(entry.kind)
        host = _text(entry.fields, 0)
        before, first = since.get(host, ("up", 0))
        if state is None or state == before:
            continue
        if before != "up":
            yield HostSpan(host=host, state=before, first=first, last=index)
        since[host] = (state, index)
    for host, (state, first) in since.items():
        if state != "up":
            yield HostSpan(host=host, state=state, first=first, last=None)
