"""A million trivial seeds in one process: how many in a CPU second, and what they leave in memory.

`python -m benchmarks.endurance SEEDS` prints seeds per CPU-second, and by how many megabytes the process has grown
since a tenth of them were done.
"""

import json
import resource
import sys
import time
from contextlib import ExitStack

from benchmarks.loops import kelpie, pin_to_last_core
from benchmarks.workloads import empty

_KB_PER_MB = 1_024


def peak_mb() -> float:
    """Return the most memory that this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KB_PER_MB


def endured(seeds: int) -> dict[str, float]:
    """Run so many seeds of a program that does nothing, guarded, with tape, trace and digest each."""
    with ExitStack() as stack:
        runner = kelpie(stack)
        start_s = time.process_time()
        for seed in range(seeds // 10):
            runner(empty, seed)
        early_mb = peak_mb()
        for seed in range(seeds // 10, seeds):
            runner(empty, seed)
        return {"seeds_per_s": seeds / (time.process_time() - start_s), "growth_mb": peak_mb() - early_mb}


if __name__ == "__main__":
    pin_to_last_core()
    print(json.dumps(endured(int(sys.argv[1]))))
