"""The page of faults says what the code says, and shows that each kind is tested and fires."""

import re

import pytest

from kelpie_sim import nemesis
from kelpie_sim.simulation import ENGINE_OPERATIONS
from tools import write_fault_table as table

COUNT = re.compile(r"\| [\d,]+ \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")
# What people may look for, by the names that fault injectors give it.
LOOKED_FOR = (
    "StorageWriteFail", "StorageReadFail", "StorageCorruption", "StorageLatency", "DiskFull", "CrashBeforeWrite",
    "CrashAfterWrite", "CrashDuringTransaction", "StorageMisdirectedWrite", "StoragePartialWrite", "StorageFsyncFail",
    "StorageUnflushedLoss", "NetworkPartition", "NetworkPacketLoss", "NetworkMessageReorder",
    "NetworkPacketCorruption", "NetworkJitter", "NetworkConnectionExhaustion", "NetworkDelay", "McpServerCrash",
    "McpServerSlowStart", "McpToolTimeout", "McpToolFail", "LlmTimeout", "LlmFailure", "LlmRateLimited",
    "SandboxBootFail", "SandboxCrash", "SandboxPauseFail", "SandboxResumeFail", "SandboxExecFail",
    "SandboxExecTimeout", "WasmCompileFail", "WasmInstantiateFail", "WasmExecFail", "WasmExecTimeout",
    "WasmCacheEvict", "CustomToolExecFail", "CustomToolExecTimeout", "CustomToolSandboxAcquireFail",
    "HttpConnectionFail", "HttpTimeout", "HttpServerError", "HttpResponseTooLarge", "HttpRateLimited",
    "SnapshotCreateFail", "SnapshotCorruption", "SnapshotRestoreFail", "SnapshotTooLarge", "TeleportUploadFail",
    "TeleportDownloadFail", "TeleportTimeout", "TeleportArchMismatch", "TeleportImageMismatch", "ClockSkew",
    "ClockJump", "OutOfMemory", "CPUStarvation", "AgentLoopPanic", "AgentCallTimeout", "AgentCallRejected",
    "AgentNotFound", "AgentBusy", "AgentCallNetworkDelay", "AgentSandboxPoolCreateFail", "AgentSandboxPoolExhausted",
    "AgentSandboxAffinityViolation", "AgentSandboxLeakOnTerminate", "ClusterSplitBrain", "ReplicationLag",
    "QuorumLoss", "ResourceFdExhaustion",
)  # fmt: skip


@pytest.fixture(scope="module", name="rows")
def fixture_rows():
    """Return the rows that the code gives."""
    return table.rows()


@pytest.fixture(scope="module", name="written")
def fixture_written():
    """Return the page as it is."""
    return table.PAGE.read_text(encoding="utf-8")


def test_page_is_that_of_the_code(written):
    """But for the counts, the page is what the code gives: `make faults` writes it anew."""
    assert COUNT.sub("|", table.page({})) == COUNT.sub("|", written)


def test_each_kind_has_a_test(rows):
    """No kind of fault is without a test that makes it."""
    assert [] == [row.kind for row in rows if not row.test]


def test_each_kind_of_the_engine_has_fired(rows, written):
    """In the last campaign each kind of the engine's own ports changed something."""
    counts = table.fired_on(written)
    assert [] == [row.kind for row in rows if row.port in table.ENGINE_PORTS and not counts[row.kind]]


def test_operations_on_the_page_exist(rows):
    """Each kind says where it acts, and each name of an operation that it says is one of its port."""
    for row in rows:
        known = ENGINE_OPERATIONS.get(row.port)
        if known is not None:
            assert (row.kind, True) == (row.kind, bool(QUOTED.findall(row.acts_on)))
            assert (row.kind, set()) == (row.kind, set(QUOTED.findall(row.acts_on)) - known)


def test_each_harm_of_the_nemesis_is_on_the_page():
    """The page describes each kind of harm that a nemesis does."""
    assert {*nemesis.KINDS, *nemesis.GRAVE} == set(table.NEMESIS_DOES)


def test_what_people_look_for_is_there(rows):
    """Of the faults that people may look for each has its kind here, or comes with a port that is named."""
    assert 72 == len(set(LOOKED_FOR))
    there = {name for row in rows for name in (row.kind, *row.known_as)}
    to_come = {name for names in table.TO_COME.values() for name in names}
    assert ([], set()) == ([name for name in LOOKED_FOR if name not in there | to_come], there & to_come)


def test_other_names_lead_to_kinds(rows):
    """Each other name stands for kinds that there are."""
    own = {row.kind for row in rows}
    assert set() == {kind for kinds in table.ALIASES.values() for kind in kinds} - own
