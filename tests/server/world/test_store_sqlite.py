"""The SQLite store beyond the contract of all stores: opening, closing, reopening, cancellation, backup, readiness."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

from kelpie_core.errors import Conflict, StoreError
from kelpie_core.records import AGENTS, HEADS
from kelpie_server.world.sqlite_runner import Group, InlineRunner, Runner, ThreadRunner
from kelpie_server.world.store_sqlite import SqliteStore
from tests.contracts.made import agent, head, put, run
from tests.server.world.faulty_disk import FaultyDisk

M = TypeVar("M")
both = pytest.mark.parametrize("make", [ThreadRunner, InlineRunner])


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Give a place for a database."""
    return str(tmp_path / "store.db")


async def heads(store: SqliteStore) -> list[str]:
    """Return the keys of all heads."""
    async with store.transaction() as tx:
        return [record.agent_id for record in await tx.scan(HEADS, limit=100)]


@both
def test_a_reopened_store_has_everything(make: Callable[[], Runner], path: str) -> None:
    """What was committed is read back equal by the next store on the same file, and its versions are new."""
    record = agent("a", tags=("x", "y"), system="\x00 \U0001f99e")

    async def main() -> None:
        store = await SqliteStore.open(path, runner=make())
        await put(store, AGENTS, record)
        await store.aclose()
        store = await SqliteStore.open(path, runner=make())
        async with store.transaction() as tx:
            assert await tx.get(AGENTS, ("a",)) == record
            assert list(await tx.scan(AGENTS, "by_tag", ("o", "y"), limit=2)) == [record]
        await store.aclose()

    run(main())


def test_a_store_in_memory_dies_with_it() -> None:
    """A database in memory is empty when it is opened again."""

    async def main() -> None:
        for _ in range(2):
            store = await SqliteStore.open(":memory:", runner=InlineRunner())
            assert await heads(store) == []
            await put(store, HEADS, head())
            await store.aclose()

    run(main())


@both
def test_after_the_close_all_is_refused(make: Callable[[], Runner], path: str) -> None:
    """A closed store refuses every call with StoreError, and closing it again does nothing."""

    async def main() -> None:
        store = await SqliteStore.open(path, runner=make())
        await store.aclose()
        await store.aclose()
        for late in (heads(store), put(store, HEADS, head()), store.ping(), store.backup(path + ".copy")):
            with pytest.raises(StoreError, match="closed"):
                await late

    run(main())


@both
def test_a_second_store_on_the_file_is_refused(make: Callable[[], Runner], path: str) -> None:
    """A database that is open elsewhere is refused in clear words, and free again after the close."""

    async def main() -> None:
        store = await SqliteStore.open(path, runner=make())
        with pytest.raises(StoreError, match="in use by another kelpie"):
            await SqliteStore.open(path, runner=make())
        await store.aclose()
        await (await SqliteStore.open(path, runner=make())).aclose()

    run(main())


def test_a_second_process_on_the_file_is_refused(path: str) -> None:
    """Another process cannot open the database, nor write to it behind the store's back."""
    script = "import sys, apsw; apsw.Connection(sys.argv[1]).execute('SELECT * FROM heads')"

    async def main() -> subprocess.CompletedProcess[str]:
        store = await SqliteStore.open(path)
        await put(store, HEADS, head())
        other = [sys.executable, "-c", script, path]
        ended = await asyncio.to_thread(subprocess.run, other, capture_output=True, text=True, check=False)
        await store.aclose()
        return ended

    ended = run(main())
    assert ended.returncode == 1
    assert "apsw.BusyError: database is locked" in ended.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no database at all" * 100, "not a database"), (None, "cannot be opened")],
)
def test_what_cannot_be_opened_is_refused(tmp_path: Path, content: bytes | None, words: str) -> None:
    """A file of another kind and a folder that is not there are refused, finally, and no thread stays behind."""
    path = tmp_path / "store.db" if content else tmp_path / "nowhere" / "store.db"
    if content:
        path.write_bytes(content)
    before = threading.active_count()
    with pytest.raises(StoreError, match=words) as caught:
        run(SqliteStore.open(str(path)))
    assert caught.value.retriable is False
    assert threading.active_count() == before


def test_a_foreign_database_is_not_touched(tmp_path: Path) -> None:
    """A database of another program is refused and stays as it was, byte by byte."""
    path = tmp_path / "theirs.db"
    theirs = apsw.Connection(str(path))
    theirs.execute("CREATE TABLE theirs (x)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        run(SqliteStore.open(str(path), runner=InlineRunner()))
    assert [path.read_bytes(), list(tmp_path.iterdir())] == [before, [path]]


def test_a_cancelled_opening_leaves_nothing_open(path: str) -> None:
    """Whoever is cancelled while the database opens leaves no lock and no thread."""

    async def main() -> None:
        opening = asyncio.ensure_future(SqliteStore.open(path))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await (await SqliteStore.open(path, runner=InlineRunner())).aclose()

    before = threading.active_count()
    run(main())
    assert threading.active_count() == before


def test_a_cancelled_commit_harms_nobody(path: str) -> None:
    """Whoever is cancelled during a commit may find it done; others go on, and nothing is half written."""

    async def main() -> None:
        store = await SqliteStore.open(path)
        writers = [asyncio.ensure_future(put(store, HEADS, head(f"{n:02}"), head(f"{n:02}+"))) for n in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        for writer in writers[::2]:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        found = await heads(store)
        certain = {f"{n:02}" for n in range(1, 20, 2)}
        assert certain <= set(found)
        assert [key for key in found if not key.endswith("+")] == [key[:2] for key in found if key.endswith("+")]
        await store.aclose()

    run(main())


def test_many_tasks_share_the_owner(path: str) -> None:
    """Commits of many tasks at once are all stored; only those that create the same record conflict."""

    async def main() -> None:
        store = await SqliteStore.open(path)
        writers = [put(store, HEADS, head(f"{n % 10}")) for n in range(10)]
        creators = [create(store, f"same {n % 3}") for n in range(9)]
        outcomes = await asyncio.gather(*writers, *creators, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:10]] == [type(None)] * 10
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes[10:]) == 6
        assert await heads(store) == [*map(str, range(10)), "same 0", "same 1", "same 2"]
        await store.aclose()

    run(main())


async def create(store: SqliteStore, key: str) -> None:
    """Create a head without looking first."""
    async with store.transaction() as tx:
        await tx.put(HEADS, head(key))


@both
def test_failures_of_the_disk_reach_the_caller(make: Callable[[], Runner], path: str) -> None:
    """A failing disk is a StoreError from the commit, uncertain, and from the close; reads of what is at hand go on."""

    async def main(disk: FaultyDisk) -> None:
        store = await SqliteStore.open(path, runner=make(), vfs=disk.name)
        await put(store, HEADS, head())
        disk.failing["sync"] = apsw.IOError
        with pytest.raises(StoreError, match="disk of the database failed") as caught:
            await create(store, "b")
        assert caught.value.uncertain is True
        await store.ping()
        assert await heads(store) == ["a"]
        disk.failing["write"] = apsw.FullError
        with pytest.raises(StoreError):
            await store.aclose()

    with FaultyDisk() as disk:
        run(main(disk))


def test_ping_reads(path: str) -> None:
    """Ping raises StoreError when the database cannot be read."""

    async def main(disk: FaultyDisk) -> None:
        store = await SqliteStore.open(path, runner=InlineRunner(), vfs=disk.name)
        await store.aclose()
        store = await SqliteStore.open(path, runner=InlineRunner(), vfs=disk.name)
        await store.ping()
        store._database._connection.release_memory()
        disk.failing["read"] = apsw.IOError
        with pytest.raises(StoreError, match="failed"):
            await store.ping()
        disk.failing.clear()
        await store.aclose()

    with FaultyDisk() as disk:
        run(main(disk))


@both
def test_a_backup_opens_as_a_store(make: Callable[[], Runner], path: str) -> None:
    """A backup taken while tasks write holds all that was committed before it, and opens like any store."""

    async def main() -> None:
        store = await SqliteStore.open(path, runner=make())
        await put(store, AGENTS, *(agent(str(n), system="x" * 1_000_000) for n in range(3)))
        await asyncio.gather(store.backup(path + ".copy"), put(store, HEADS, head()))
        await store.aclose()
        copy = await SqliteStore.open(path + ".copy", runner=make())
        async with copy.transaction() as tx:
            assert [record.id for record in await tx.scan(AGENTS, limit=9)] == ["0", "1", "2"]
        await copy.aclose()

    run(main())


def test_a_backup_to_nowhere_is_refused(path: str) -> None:
    """A backup to a folder that is not there raises StoreError, and the store goes on."""

    async def main() -> None:
        store = await SqliteStore.open(path)
        with pytest.raises(StoreError, match="cannot be opened"):
            await store.backup(path + "/nowhere/copy.db")
        await put(store, HEADS, head())
        assert await heads(store) == ["a"]
        await store.aclose()

    run(main())


def test_a_backup_that_fails_lets_go_of_its_target(path: str) -> None:
    """A backup that a failing disk breaks off leaves its target as it was, and free while the error is still held."""

    async def main(disk: FaultyDisk) -> StoreError:
        store = await SqliteStore.open(path, runner=InlineRunner())
        await put(store, AGENTS, agent("a", system="x" * 1_000_000))
        await store.backup(path + ".copy")
        await store.aclose()
        store = await SqliteStore.open(path, runner=InlineRunner(), vfs=disk.name)
        disk.failing["read"] = apsw.IOError
        with pytest.raises(StoreError, match="failed") as caught:
            await store.backup(path + ".copy")
        disk.failing.clear()
        copy = await SqliteStore.open(path + ".copy", runner=InlineRunner())
        await put(copy, HEADS, head())
        async with copy.transaction() as tx:
            assert [record.id for record in await tx.scan(AGENTS, limit=9)] == ["a"]
        await copy.aclose()
        await store.aclose()
        return caught.value

    with FaultyDisk() as disk:
        assert run(main(disk)).retriable is True


def test_reading_alone_joins_no_group() -> None:
    """The check of a transaction that only read waits for nobody's sync; a write joins a group."""
    story: list[str] = []

    class Watched(InlineRunner):
        async def join(self, group: Group[M], member: M) -> None:
            story.append("join")
            await super().join(group, member)

    async def main() -> None:
        store = await SqliteStore.open(":memory:", runner=Watched())
        async with store.transaction() as tx:
            await tx.get(HEADS, ("a",))
            await tx.get(HEADS, ("b",))
        story.append("read")
        await put(store, HEADS, head())
        await store.aclose()

    run(main())
    assert story == ["read", "join"]


def test_a_check_writes(path: str) -> None:
    """A check syncs something that changes nothing, and fails on a disk that can only be read."""

    async def main(disk: FaultyDisk) -> None:
        store = await SqliteStore.open(path, runner=InlineRunner(), vfs=disk.name)
        await put(store, AGENTS, agent("a"))
        before = disk.syncs
        await store.check()
        assert before < disk.syncs
        for operation in ("write", "sync"):
            disk.failing = {operation: apsw.IOError}
            with pytest.raises(StoreError):
                await store.check()
            await store.ping()
        disk.failing = {}
        await store.check()
        async with store.transaction() as tx:
            assert agent("a") == await tx.get(AGENTS, ("a",))
        await store.aclose()

    with FaultyDisk() as disk:
        run(main(disk))
