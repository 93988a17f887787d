"""A pipe: one direction of a connection. What goes in comes out whole, in order and once, or the sender hears of it.

Packets wait in one queue, and only the first has a timer: that is the order of TCP for nothing. A packet is looked at
when it arrives:

- The link is cut: it is sent again, after 0.2 s, 0.4 s, ... 60 s, as long as the sender lives; after fifteen tries the
  sender's connection breaks with ETIMEDOUT.
- The receiver lost power: the same, until the machine is up again; its new life does not know the connection, and
  answers with a reset (so half-open connections are found, but only by those who write).
- The receiver does not read: it stays in the queue, and the sender's window does not open. Nothing of the above can
  happen to it any more.

Each arrival is one step of the receiver's host, so a crash or a pause of that host holds for it too.
"""

from __future__ import annotations

import errno
from collections import deque
from contextvars import Context
from functools import partial
from typing import Protocol

from kelpie_sim.seed import Stream
from kelpie_sim.tasks import SimHandle
from kelpie_sim.world.network.laws import MS
from kelpie_sim.world.network.links import Link, Obstacle
from kelpie_sim.world.network.medium import Medium

RETRY_NS_MIN = 200 * MS
RETRY_NS_MAX = 60_000 * MS
RETRIES_MAX = 15
# The end of a stream, in the queue of its bytes.
EOF = b""
# In place of the number of an attempt: the first packet is in the receiver's buffer.
LANDED = -1


def retry_ns(attempt: int) -> int:
    """Return how long a sender waits for an answer before it sends again, for the n-th time."""
    return min(RETRY_NS_MIN << attempt, RETRY_NS_MAX)


def reset_error() -> ConnectionResetError:
    """Return what a program gets when its connection was reset."""
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


def timeout_error() -> TimeoutError:
    """Return what a program gets when nobody answers any more."""
    return TimeoutError(errno.ETIMEDOUT, "Connection timed out")


class Ear(Protocol):
    """Whoever learns what became of a pipe: each call is a step of its host."""

    @property
    def alive(self) -> bool: ...
    @property
    def context(self) -> Context: ...
    def connection_broke(self, error: OSError) -> None: ...


class Receiver(Ear, Protocol):
    """The end at which a pipe comes out."""

    def receive(self, data: bytes) -> None: ...


class Sender(Ear, Protocol):
    """The end at which a pipe goes in."""

    def window_opened(self) -> None: ...


class Pipe:
    """One direction of a connection. `in_flight` counts the bytes that the receiver has not taken yet."""

    __slots__ = (
        "_add_timer", "_armed", "_arrival", "_attempt", "_last_ns", "_loop", "_medium", "_record", "_sent", "broken",
        "closed", "context", "in_flight", "link", "orphaned", "queue", "receiver", "sender", "starved", "stopped",
        "what",
    )  # fmt: skip

    def __init__(
        self, medium: Medium, link: Link, sender: Sender, receiver: Receiver, context: Context, what: str
    ) -> None:
        self._medium = medium
        self._loop = medium.loop
        self._add_timer = medium.loop._timers.add
        self._record = medium.trace.record
        self._sent = medium.sent
        # One for all arrivals, since only one of them is ever under way.
        self._arrival = SimHandle(self._arrive, (), context)
        self.link = link
        self.sender = sender
        self.receiver = receiver
        self.context = context
        self.what = what
        self.queue: deque[tuple[int, int, bytes]] = deque()
        self.in_flight = 0
        self.stopped = False
        """The receiver does not read for now."""
        self.starved = False
        """The sender waits for the window to open."""
        self.closed = False
        """The receiver's socket is closed."""
        self.orphaned = False
        """The receiver's host lost power."""
        self.broken = False
        """The sender has sent a reset: nothing can follow, or a stream that misses bytes would go on."""
        self._armed = False
        self._attempt = 0
        self._last_ns = 0

    def put(self, data: bytes, late_ns: int = 0) -> None:
        """Send a packet that arrives `late_ns` after its time. This is the hot path."""
        if self.broken:
            return
        when_ns = self.link.arrival_ns(self._loop.time_ns, len(data)) + late_ns
        if when_ns < self._last_ns:
            when_ns = self._last_ns
        else:
            self._last_ns = when_ns
        self.queue.append((when_ns, self._sent(self.link, self.what, data), data))
        self.in_flight += len(data)
        if not self._armed:
            self._arm(when_ns)

    def put_late(self, data: bytes, late_ns: int) -> bool:
        """Send a packet late; return whether it comes any later, and not just behind another that is late already."""
        before_ns = self._last_ns
        self.put(data, late_ns)
        return late_ns > 0 and self._last_ns > before_ns

    def part(self, gap_ns: int) -> None:
        """Let what is sent next arrive at least so much later than what was sent last."""
        self._last_ns += gap_ns

    def reset(self) -> None:
        """Tell the receiver that the connection is broken. This goes past the queue, and is never sent again."""
        self.broken = True
        medium = self._medium
        packet = medium.sent(self.link, f"{self.what} reset", b"")
        when_ns = max(self.link.arrival_ns(self._loop.time_ns, 0), self._last_ns)
        medium.at(when_ns, medium.nobody, self._reset_passes, packet)

    def _reset_passes(self, packet: int) -> None:
        medium, receiver = self._medium, self.receiver
        obstacle = self.link.obstacle(self._loop.time_ns)
        if obstacle is Obstacle.WAIT:
            self.link.park(partial(self._reset_passes, packet))
        elif obstacle is Obstacle.CUT:
            medium.dropped(packet, "cut")
        else:
            medium.delivered(packet)
            if receiver.alive:
                medium.at(0, receiver.context, receiver.connection_broke, reset_error())

    def _arm(self, when_ns: int) -> None:
        self._armed = True
        if when_ns > self._loop.time_ns:
            self._add_timer(when_ns, self._arrival)
        else:
            self._loop._add(self._arrival)

    def _arrive(self) -> None:
        """The first packet is there. This is the hot path."""
        self._armed = False
        queue = self.queue
        if self.stopped or not queue:
            if queue and not self._hindered():
                self._attempt = LANDED
            return
        if (self.link.troubled or self.closed) and self._hindered():
            return
        self._attempt = 0
        _, packet, data = queue.popleft()
        self._record("net deliver", packet)
        if queue:
            if data and queue[0][0] <= self._loop.time_ns:
                data = self._join(data)
            if queue:
                self._arm(queue[0][0])
        self.in_flight -= len(data)
        if self.starved:
            self._acknowledge()
        self.receiver.receive(data)

    def _join(self, data: bytes) -> bytes:
        """Take what has arrived as well: a receiver reads all that is there, up to the end of the stream."""
        queue, medium = self.queue, self._medium
        parts = [data]
        now_ns = self._loop.time_ns
        while queue and queue[0][0] <= now_ns and queue[0][2]:
            _, packet, data = queue.popleft()
            medium.delivered(packet)
            parts.append(data)
        return b"".join(parts)

    # --- the receiver

    def stop(self) -> None:
        """The receiver reads no more for now."""
        self.stopped = True

    def go_on(self) -> None:
        """The receiver reads again."""
        self.stopped = False
        self._let_go()

    def has_arrived(self) -> bool:
        """Say whether something is there to read: it is due, was not lost, and nothing holds it up."""
        now_ns, link = self._loop.time_ns, self.link
        if self._attempt or not self.queue:
            return self._attempt == LANDED
        return self.queue[0][0] <= now_ns and not (link.troubled and link.obstacle(now_ns) is not None)

    def close(self) -> None:
        """The receiver's socket is closed: from here on it is the machine that answers, with a reset."""
        self.closed = True
        self._attempt = max(self._attempt, 0)
        self._disarm(self._medium.nobody)
        self.go_on()

    def _disarm(self, context: Context) -> None:
        """Take back the timer, if one is set; arrivals belong to `context` from here on."""
        self._armed = False
        self._arrival.cancel()
        self._arrival = SimHandle(self._arrive, (), context)
        self.context = context

    def orphan(self) -> None:
        """The receiver's host lost power: nobody answers, until the machine is up again."""
        self.orphaned = True
        self.close()

    def cut_short(self, stream: Stream) -> None:
        """The sender's host lost power: of what is under way a prefix arrives."""
        queue, data, when_ns = self.queue, EOF, 0
        for _ in range(stream.below(len(queue) + (self._attempt != LANDED))):
            when_ns, packet, data = queue.pop()
            self._medium.dropped(packet, "sender lost power")
            self.in_flight -= len(data)
        kept = data[: stream.below(len(data))] if data else EOF
        if kept:
            queue.append((when_ns, self._medium.sent(self.link, self.what, kept), kept))
            self.in_flight += len(kept)

    def drop_all(self, why: str) -> None:
        """Lose all that is under way."""
        for _, packet, data in self.queue:
            self._medium.dropped(packet, why)
            self.in_flight -= len(data)
        self.queue.clear()
        self._attempt = 0
        self._disarm(self.context)

    # --- trouble

    def _hindered(self) -> bool:
        """Say whether the first packet does not get through now, and do what follows from that."""
        if self._attempt == LANDED:
            return False
        obstacle = self.link.obstacle(self._loop.time_ns)
        if obstacle is Obstacle.WAIT:
            self.link.park(self._let_go)
        elif obstacle is Obstacle.CUT:
            self._retry("cut")
        elif self.closed:
            self._find_closed()
        else:
            return False
        return True

    def _let_go(self) -> None:
        if self.queue and not self._armed:
            self._arm(max(self.queue[0][0], self._loop.time_ns))

    def _retry(self, why: str) -> None:
        self._medium.dropped(self.queue[0][1], why)
        if not self.sender.alive:
            self.drop_all("sender is gone")
        elif self._attempt >= RETRIES_MAX:
            self.drop_all("given up")
            self._break(timeout_error())
        else:
            self._arm(self._loop.time_ns + retry_ns(self._attempt))
            self._attempt += 1

    def _find_closed(self) -> None:
        """A packet has come to a socket that is closed."""
        medium = self._medium
        if not medium.is_up(self.link.to_host):
            self._retry("host is down")
        elif self.orphaned or self.queue[0][2]:
            self._answer_reset()
        else:
            medium.delivered(self.queue.popleft()[1])
            self._let_go()

    def _answer_reset(self) -> None:
        """Send a reset back. It is not sent again, but each packet that is asks for another."""
        medium = self._medium
        back = medium.link(self.link.to_host, self.link.from_host)
        packet = medium.sent(back, f"{self.what} reset", b"")
        self._armed = True
        medium.at(back.arrival_ns(self._loop.time_ns, 0), medium.nobody, self._reset_arrives, back, packet)

    def _reset_arrives(self, back: Link, packet: int) -> None:
        medium = self._medium
        self._armed = False
        if back.troubled and back.obstacle(self._loop.time_ns) is not None:
            medium.dropped(packet, "cut")
            if self.queue:
                self._retry("unanswered")
            return
        medium.delivered(packet)
        self.drop_all("reset")
        self._break(reset_error())

    def _break(self, error: OSError) -> None:
        sender = self.sender
        if sender.alive:
            self._medium.at(0, sender.context, sender.connection_broke, error)

    # --- the window

    def _acknowledge(self) -> None:
        """Tell the sender that there is room again: the only acknowledgement that anybody waits for."""
        self.starved = False
        medium = self._medium
        back = medium.link(self.link.to_host, self.link.from_host)
        medium.at(back.arrival_ns(self._loop.time_ns, 0), medium.nobody, self._acknowledged, back, 0)

    def _acknowledged(self, back: Link, attempt: int) -> None:
        medium, sender = self._medium, self.sender
        now_ns = self._loop.time_ns
        if not sender.alive:
            return
        if not (back.troubled and back.obstacle(now_ns) is not None):
            medium.at(0, sender.context, sender.window_opened)
        elif attempt >= RETRIES_MAX:
            self._break(timeout_error())
        else:
            medium.at(now_ns + retry_ns(attempt), medium.nobody, self._acknowledged, back, attempt + 1)
