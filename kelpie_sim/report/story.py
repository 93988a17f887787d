"""The same story in the terminal: what happened, a line each, with faults marked and the finding at the end.

Steps and births are left out unless asked for, as they tell how the loop went on rather than what the program did.
Colours are rich's, which is loaded only for a terminal: a story in a file is plain text.
"""

import sys
from collections.abc import Collection
from typing import TextIO

import attrs

from kelpie_sim.faults import NS_PER_SECOND
from kelpie_sim.outcome import Outcome
from kelpie_sim.report.reading import Message, Operation, Reading, category_of, read_run
from kelpie_sim.report.text import cut, shown
from kelpie_sim.trace import Entry

TEXT_CHARS_MAX = 160
TOLD = ("messages", "operations", "faults", "hosts", "story", "disk", "marks")
WORLD = "world"
MARKS = {"faults": "!!", "hosts": "*", "operations": ">", "finding": "##"}
COLOURS = {
    "faults": "bold red",
    "hosts": "yellow",
    "messages": "blue",
    "operations": "green",
    "story": "magenta",
    "marks": "cyan",
    "finding": "bold white on red",
}


@attrs.frozen(kw_only=True)
class StoryLine:
    """A line of the story: when, where, what it is about, and what happened."""

    time_ns: int
    host: str
    category: str
    text: str

    def __str__(self) -> str:
        host = cut(self.host or WORLD, 15, "~")
        seconds = f"{self.time_ns / NS_PER_SECOND:.6f}"
        return f"{seconds:>14} s  {host:<15} {MARKS.get(self.category, ''):>2} {self.text}"


def story_of(
    outcome: Outcome, *, categories: Collection[str] = TOLD, host: str | None = None, last: int | None = None
) -> tuple[StoryLine, ...]:
    """Return the story of a run that kept its entries: of some categories, of one host, or only the last lines."""
    reading = read_run(outcome)
    lines = [
        line
        for index in range(len(reading.entries))
        if (line := line_of(reading, index)).category in categories and host in (None, line.host)
    ]
    if outcome.finding is not None:
        text = f"{outcome.finding.kind}: {outcome.finding.message}"
        lines.append(StoryLine(time_ns=outcome.virtual_ns, host="", category="finding", text=text))
    return tuple(lines if last is None else lines[-last:])


def print_story(lines: Collection[StoryLine], stream: TextIO | None = None) -> None:
    """Print a story, in colours on a terminal."""
    stream = stream or sys.stdout
    if not stream.isatty():
        for line in lines:
            print(line, file=stream)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in lines:
        console.print(Text(str(line), style=COLOURS.get(line.category, "")), soft_wrap=True)


def line_of(reading: Reading, index: int) -> StoryLine:
    """Return what happened at an entry, in a line."""
    entry, operation = reading.entries[index], reading.operation_at.get(index)
    host = reading.entry_hosts[index] or (operation.process if operation else "")
    text = cut(_told(reading, index, entry), TEXT_CHARS_MAX)
    return StoryLine(time_ns=entry.time_ns, host=host, category=category_of(entry.kind), text=text)


def _told(reading: Reading, index: int, entry: Entry) -> str:
    message, operation = reading.message_at.get(index), reading.operation_at.get(index)
    if message is not None:
        return _message(reading, message, entry)
    if operation is not None:
        return _operation(reading, operation, index)
    fields = [shown(field) for field in entry.fields]
    match entry.kind, fields:
        case "step", []:
            return f"step {task_name(reading, entry.serial)}"
        case "fault", [_, kind, at]:
            return f"{kind} at {at}"
        case "story", _:
            return " ".join(fields)
        case (("host start" | "host crash" | "host exit" | "host pause" | "host resume" | "host reformat"), [_, life]):
            return f"{entry.kind.removeprefix('host ')} (life {life})"
    return " ".join((entry.kind, *fields))


def task_name(reading: Reading, serial: int) -> str:
    """Return what a task is called."""
    task = reading.tasks.get(serial)
    return task.name if task is not None else "the loop"


def _message(reading: Reading, message: Message, entry: Entry) -> str:
    what = f"{message.what} {message.size_bytes} B{f' {message.content!r}' if message.content else ''}"
    if entry.kind == "net deliver":
        return f"<- {message.sender}: {what}"
    if entry.kind == "net drop":
        return f"-x {message.receiver}: {what} is dropped: {message.why}"
    if message.ended is None:
        return f"-> {message.receiver}: {what} (still on its way at the end)"
    fate = "lost" if message.fate == "dropped" else _milliseconds(reading, message.sent, message.ended)
    return f"-> {message.receiver}: {what} ({fate})"


def _operation(reading: Reading, operation: Operation, index: int) -> str:
    if index == operation.invoked or operation.ended is None:
        return f"{operation.name} {operation.arguments}"
    took = _milliseconds(reading, operation.invoked, operation.ended)
    return f"{operation.name} {operation.outcome} ({took}) {operation.result}"


def _milliseconds(reading: Reading, first: int, last: int) -> str:
    return f"{(reading.entries[last].time_ns - reading.entries[first].time_ns) / 1_000_000:.1f} ms"
