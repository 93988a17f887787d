"""The corpus: failures once found, one small TOML file per signature, replayed for ever.

Four verbs: `load_all`, `find`, `save`, `replay`. An entry is found by its signature, so a hundred seeds that hit one
bug stay one file. Its tape replays the very choices of the failing run; after a change of the program or on another
Python the tape may no longer fit, and then the seed alone is run.
"""

import base64
import json
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import cast

import attrs

from kelpie_sim.errors import NonDeterminism
from kelpie_sim.options import OptionValue
from kelpie_sim.outcome import FindingKind, Outcome
from kelpie_sim.scenario import Scenario, pick_scenarios
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape

FOLDER = Path("seeds")
_TAPE_LINE_CHARS = 100


class NoSeedFile(ValueError):
    """A file is not what the corpus keeps. The message names it."""


@attrs.frozen(kw_only=True)
class Entry:
    """A failure worth keeping."""

    scenario: str
    seed: int
    signature: str
    finding: str
    """What went wrong, in one line."""
    fix: str = ""
    """What put it right, in one line; empty while nobody has."""
    python: str = ""
    options: Mapping[str, OptionValue] = attrs.field(factory=dict)
    tape: bytes = b""

    @property
    def file_name(self) -> str:
        """The name of its file: equal for equal signatures of a scenario."""
        return f"{self.scenario}-{blake2b(self.signature.encode(), digest_size=4).hexdigest()}.toml"


def entry_of(outcome: Outcome, *, fix: str = "") -> Entry:
    """Return the entry for a failed run; raise ValueError for one that did not fail."""
    if outcome.finding is None:
        raise ValueError(f"seed {outcome.seed} of {outcome.scenario} did not fail: there is nothing to keep")
    return Entry(
        scenario=outcome.scenario,
        seed=outcome.seed,
        signature=outcome.finding.signature,
        finding=" ".join(outcome.finding.message.split()),
        fix=fix,
        python=outcome.python,
        options=outcome.options,
        tape=outcome.tape,
    )


def load(path: Path) -> Entry:
    """Return the entry of one file; raise NoSeedFile, which names the file, when it is not one."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        tape = base64.b64decode("".join(cast(str, fields.pop("tape", "")).split()), validate=True)
        return Entry(**fields, tape=zlib.decompress(tape) if tape else b"")
    except (OSError, ValueError, TypeError, zlib.error) as error:
        raise NoSeedFile(f"{path} is no seed file: {error}") from error


def load_all(folder: Path = FOLDER) -> tuple[Entry, ...]:
    """Return all entries, in the order of their file names."""
    return tuple(load(path) for path in sorted(folder.glob("*.toml")))


def find(signature: str, folder: Path = FOLDER) -> Entry | None:
    """Return the entry of a signature, if there is one."""
    return next((entry for entry in load_all(folder) if entry.signature == signature), None)


def save(entry: Entry, folder: Path = FOLDER, *, name: str = "") -> Path:
    """Write an entry in place of the one of equal signature, if any, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or entry.file_name)
    path.write_text(to_toml(entry), encoding="utf-8")
    return path


def replay(entry: Entry, scenarios: Mapping[str, Scenario], *, keep_trace: bool = False) -> Outcome:
    """Run an entry again, by its tape if that still fits the program, else by its seed alone."""
    (scenario,) = pick_scenarios(scenarios, (entry.scenario,))
    along_tape = _along_tape(entry, scenario, keep_trace) if entry.tape else None
    return along_tape or simulate(scenario, entry.seed, keep_trace=keep_trace)


def _along_tape(entry: Entry, scenario: Scenario, keep_trace: bool) -> Outcome | None:
    """Return the run along an entry's tape, or None if the program asks for other choices than those on it."""
    try:
        outcome = simulate(scenario, entry.seed, tape=Tape.replaying(entry.tape), keep_trace=keep_trace)
    except NonDeterminism:
        return None
    misfits = outcome.finding is not None and outcome.finding.kind is FindingKind.NONDETERMINISM
    return None if misfits else outcome


def replay_all(scenarios: Mapping[str, Scenario], folder: Path = FOLDER) -> Iterator[tuple[Entry, Outcome]]:
    """Run every entry of a folder again, one by one."""
    return ((entry, replay(entry, scenarios)) for entry in load_all(folder))


def to_toml(entry: Entry) -> str:
    """Return the text of an entry's file."""
    fields = ("scenario", "seed", "signature", "finding", "fix", "python")
    lines = [f"{name} = {_toml(getattr(entry, name))}" for name in fields]
    if entry.tape:
        packed = base64.b64encode(zlib.compress(entry.tape, 9)).decode("ascii")
        wrapped = [packed[at : at + _TAPE_LINE_CHARS] for at in range(0, len(packed), _TAPE_LINE_CHARS)]
        lines += ['tape = """', *wrapped, '"""']
    if entry.options:
        lines += ["", "[options]", *(f"{_toml(name)} = {_toml(value)}" for name, value in entry.options.items())]
    return "\n".join(lines) + "\n"


def _toml(value: OptionValue) -> str:
    """Return a value as TOML: JSON's own forms, but for one control character that JSON leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
