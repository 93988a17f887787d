"""All adapters: cheap to apply, and right for what is installed."""

import contextlib
import importlib
import time
import warnings

import attrs

from kelpie_sim import libraries
from kelpie_sim.libraries.adapter import UntestedVersion, adapt

APPLY_SECONDS_MAX = 2e-6


def test_applying_again_costs_next_to_nothing():
    """When nothing changed, a run pays less than two microseconds."""
    libraries.apply()
    rounds = []
    for _ in range(20):
        begun = time.process_time()
        for _ in range(1_000):
            libraries.apply()
        rounds.append((time.process_time() - begun) / 1_000)
    assert min(rounds) < APPLY_SECONDS_MAX


def test_installed_versions_are_known():
    """Every library that is installed here is in the range that its adapters know."""
    adapted = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", UntestedVersion)
        for one in libraries.ADAPTERS:
            # Some of uvicorn's protocols need packages that are not here.
            with contextlib.suppress(ImportError):
                adapt(attrs.evolve(one, fit=lambda module: None), importlib.import_module(one.module))
                adapted.append(one.library)
    libraries_here = {"aiosqlite", "anthropic", "anyio", "httpx", "httpx2", "letta-client", "openai", "sse-starlette"}
    assert libraries_here | {"uvicorn"} == set(adapted)
