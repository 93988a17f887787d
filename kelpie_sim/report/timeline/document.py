"""A run as compact JSON: what the scripts of the timeline unpack.

Entries come as columns, times and steps as differences, so that a run of 100,000 entries stays a file of a few
megabytes. Fields are text or numbers, cut when long: the whole of them is in the trace.
"""

from collections.abc import Iterator, Mapping, Sequence

from kelpie_sim.outcome import Finding, Outcome
from kelpie_sim.report.reading import HostSpan, Message, Operation, Reading, TaskLife, category_of, read_run
from kelpie_sim.report.text import shown
from kelpie_sim.trace import Entry

FIELD_CHARS_MAX = 2_000
# Beyond this a number is no longer exact in JavaScript.
_EXACT_MAX = 2**53

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None


def document_of(outcome: Outcome, reproduce: str) -> Json:
    """Return the data of a run's timeline; `reproduce` is the command that runs it again."""
    reading = read_run(outcome)
    hosts = {host: number for number, host in enumerate(reading.hosts)}
    return {
        "run": summary_of(outcome, reproduce),
        "hosts": list(reading.hosts),
        "tasks": [_task(task, hosts) for task in reading.tasks.values()],
        "entries": _columns(reading, hosts),
        "messages": [_message(message) for message in reading.messages],
        "operations": [_operation(operation) for operation in reading.operations],
        "spans": [_span(span, hosts) for span in reading.spans],
        "failed": reading.failed,
    }


def summary_of(outcome: Outcome, reproduce: str) -> Json:
    """Return what the head of a page says of a run."""
    finding = outcome.finding
    return {
        "scenario": outcome.scenario,
        "seed": str(outcome.seed),
        "digest": outcome.digest,
        "python": outcome.python,
        "steps": outcome.steps,
        "virtual_ns": outcome.virtual_ns,
        "reproduce": reproduce,
        "options": {name: str(value) for name, value in outcome.options.items()},
        "faults": [[report.kind, report.matched, report.fired] for report in outcome.faults],
        "finding": None if finding is None else _finding(finding),
    }


def _finding(finding: Finding) -> Json:
    return {
        "kind": finding.kind.value,
        "signature": finding.signature,
        "message": finding.message,
        "traceback": finding.traceback,
    }


def _columns(reading: Reading, hosts: Mapping[str, int]) -> Json:
    entries = reading.entries
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(entry.kind for entry in entries))}
    return {
        "kinds": [[kind, category_of(kind)] for kind in kinds],
        "kind": [kinds[entry.kind] for entry in entries],
        "step": list(_differences([entry.step for entry in entries])),
        "time": list(_differences([entry.time_ns for entry in entries])),
        "task": [entry.serial for entry in entries],
        "host": [hosts[host] for host in reading.entry_hosts],
        "fields": {str(index): _fields(entry) for index, entry in enumerate(entries) if entry.fields},
    }


def _differences(values: Sequence[int]) -> Iterator[int]:
    before = 0
    for value in values:
        yield value - before
        before = value


def _fields(entry: Entry) -> list[Json]:
    return [
        field if isinstance(field, int) and abs(field) < _EXACT_MAX else _cut(shown(field, "\n"))
        for field in entry.fields
    ]


def _cut(text: str) -> str:
    left = len(text) - FIELD_CHARS_MAX
    return text if left <= 0 else f"{text[:FIELD_CHARS_MAX]} ... {left} more characters"


def _task(task: TaskLife, hosts: Mapping[str, int]) -> Json:
    return [task.serial, task.name, hosts[task.host], task.first, task.last, task.parent]


def _message(message: Message) -> Json:
    return [
        message.sent,
        message.ended,
        message.what,
        message.size_bytes,
        message.fate,
        message.why,
        message.receiver,
        message.content,
    ]


def _operation(operation: Operation) -> Json:
    return [
        operation.process,
        operation.name,
        _cut(operation.arguments),
        operation.invoked,
        operation.ended,
        operation.outcome,
        _cut(operation.result),
    ]


def _span(span: HostSpan, hosts: Mapping[str, int]) -> Json:
    return [hosts[span.host], span.state, span.first, span.last]
