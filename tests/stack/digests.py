"""The digests of all programs of the stack, from a process of its own: for the tests that compare them."""

import json
import os
import subprocess
import sys

from kelpie_sim.determinism import padded
from kelpie_sim.simulation import simulate

SEEDS = (1, 2)
Digests = dict[str, list[str]]


def digests(*, backwards: bool = False, shaken: bool = False) -> Digests:
    """Run all programs in this process and return their digests; `shaken` moves what they allocate about."""
    from tests.stack.programs import SCENARIOS

    found: Digests = {}
    for scenario in SCENARIOS[:: -1 if backwards else 1]:
        one = padded(scenario) if shaken else scenario
        found[scenario.name] = [simulate(one, seed).digest for seed in SEEDS]
    return found


def digests_elsewhere(hash_seed: str, *, backwards: bool = False, shaken: bool = False) -> Digests:
    """Run all programs in a fresh process. Raise CalledProcessError if it fails; what it said is shown."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.stack.digests", *["backwards"] * backwards, *["shaken"] * shaken],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: Digests = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    print(json.dumps(digests(backwards="backwards" in sys.argv, shaken="shaken" in sys.argv)))
