"""Logs by key on a leader and its followers: after Maelstrom's workload "kafka".

The leader gives each record its place, passes it on, and acknowledges it when a majority has it and all before it; so
far the log is settled, which the leader tells along with what it passes on. A reader asks any node, and gets what that
node knows to be settled, in order and without a gap, though it may not be the newest.

Wrong way: "eager" followers give out what they have in the order in which it came.
"""

import asyncio
from itertools import count, takewhile

from kelpie_sim.check.sometimes import sometimes
from tests.sim.check.programs.wire import Document, Unreachable, call, serve

RETRY_SECONDS = 0.3


class Log:
    """What a node has of one log: records by their places, and up to where it is settled."""

    def __init__(self) -> None:
        self.records: dict[int, str] = {}
        self.settled = 0

    def read(self, way: str) -> list[str]:
        """Return what may be given out."""
        if way == "eager":
            return list(self.records.values())
        places = takewhile(lambda place: place < self.settled and place in self.records, count())
        return [self.records[place] for place in places]


class Follower:
    """Keeps what it is told, and answers readers."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.logs: dict[str, Log] = {}

    def log(self, key: str) -> Log:
        """Return the log of a key."""
        return self.logs.setdefault(key, Log())

    async def main(self) -> None:
        """Be a follower for ever."""
        await serve(self.answer)

    async def answer(self, document: Document) -> Document:
        """Answer a reader, or take what the leader passes on."""
        log = self.log(document["key"])
        if document["do"] == "read":
            return {"records": log.read(self.way)}
        sometimes("a record came early", document["place"] > len(log.records))
        log.records.setdefault(document["place"], document["record"])
        log.settled = max(log.settled, document["settled"])
        return {}


class Leader(Follower):
    """Takes records, too."""

    def __init__(self, followers: tuple[str, ...]) -> None:
        super().__init__("")
        self._followers = followers
        self._copies: dict[tuple[str, int], int] = {}
        self._progress = asyncio.Condition()
        self._group = asyncio.TaskGroup()

    async def main(self) -> None:
        """Be the leader for ever."""
        async with self._group:
            await super().main()

    async def answer(self, document: Document) -> Document:
        """Answer a reader, or take a record and tell its place when it is settled."""
        if document["do"] != "send":
            return await super().answer(document)
        key, log = document["key"], self.log(document["key"])
        place = len(log.records)
        log.records[place] = document["record"]
        self._copies[key, place] = 1
        for follower in self._followers:
            self._group.create_task(self._pass_on(follower, key, place))
        async with self._progress:
            await self._progress.wait_for(lambda: log.settled > place)
        return {"place": place}

    async def _pass_on(self, follower: str, key: str, place: int) -> None:
        log, told = self.log(key), False
        while not told:
            document = {"do": "keep", "key": key, "place": place, "record": log.records[place], "settled": log.settled}
            try:
                await call(follower, document)
                told = True
            except Unreachable:
                sometimes("a follower was told again")
                await asyncio.sleep(RETRY_SECONDS)
        self._copies[key, place] += 1
        async with self._progress:
            while self._copies.get((key, log.settled), 0) > (len(self._followers) + 1) // 2:
                log.settled += 1
            self._progress.notify_all()
