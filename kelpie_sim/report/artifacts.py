"""The files that a failure leaves behind: the whole trace, and a seed file fit for the corpus."""

from pathlib import Path

import attrs

from kelpie_sim.corpus import entry_of, save
from kelpie_sim.outcome import Outcome

FOLDER = Path(".kelpie-sim")


@attrs.frozen(kw_only=True)
class Artifacts:
    """Where the files of a failed run lie."""

    trace: Path
    seed: Path


def write_artifacts(outcome: Outcome, folder: Path = FOLDER) -> Artifacts:
    """Write the trace and the seed file of a failed run, and return where they lie."""
    folder.mkdir(parents=True, exist_ok=True)
    # The folder keeps itself out of version control: what is worth keeping is moved to the corpus by hand.
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    name = f"{outcome.scenario}-{outcome.seed}"
    trace = folder / f"{name}.trace"
    trace.write_text("".join(f"{line}\n" for line in outcome.trace), encoding="utf-8", errors="backslashreplace")
    return Artifacts(trace=trace, seed=save(entry_of(outcome), folder, name=f"{name}.toml"))
