"""The nemesis: harm drawn by the seed over a phase of safety, then healing, and the demand to settle.

As TigerBeetle's VOPR does it: in the first phase hosts crash, restart and pause, the network is cut in several shapes,
links clog or swizzle, clocks jump and drift, and what must never happen must not happen. Then the harm ends, a core of
the hosts is healed (the others stay dead), and what must happen in the end has to happen within a bound:
`heal_and_settle`.

The harm is a plan, drawn before it begins: `Options.harms_max` entries, each from a stream of its own whose first
choice is its kind, 0 for none. So a shrinker takes harm away entry by entry, and moves nothing else.

Laws: what would change nothing (a crash of what is down, a cut on top of a cut) is passed over, and only what was done
is told, counted and put on the trace. At most `down_max` hosts are down or paused at a time, so that what needs a
quorum could go on, but where the loss of a quorum is asked for; and at most so many lose their disks in a run. A cut
stays for at least the least duration, and so does the quiet after it: what flaps faster hides bugs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from kelpie_sim.faults import NS_PER_SECOND, FaultReport
from kelpie_sim.seed import Stream, Streams
from kelpie_sim.standstill import NEMESIS

if TYPE_CHECKING:
    from kelpie_sim.simulation import World
    from kelpie_sim.world.host import Host

CRASH, RESTART, PAUSE, CLOG, SWIZZLE = "crash", "restart", "pause", "clog", "swizzle"
JUMP, DRIFT = "clock jump", "clock drift"
QUORUM_LOSS, REFORMAT = "quorum loss", "reformat"
ISOLATE, HALVES, SPLIT, BRIDGE = "isolate", "halves", "split", "bridge"
POWER = (CRASH, RESTART, PAUSE)
CUTS = (ISOLATE, HALVES, SPLIT, BRIDGE)
CLOCKS = (JUMP, DRIFT)
CLOGS = (CLOG, SWIZZLE)
KINDS = (*POWER, *CUTS, *CLOGS, *CLOCKS)
# Only for programs that are made for it: most lose what they promised.
GRAVE = (QUORUM_LOSS, REFORMAT)

NS_PER_MS = 1_000_000
STREAM = "nemesis"


@attrs.frozen(kw_only=True)
class Options:
    """How much harm, of which kinds."""

    kinds: tuple[str, ...] = attrs.field(
        default=KINDS, validator=attrs.validators.deep_iterable(attrs.validators.in_((*KINDS, *GRAVE)))
    )
    harms_max: int = attrs.field(default=6, validator=attrs.validators.ge(0))
    phase_seconds: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    """How long harm may begin, from the start."""
    lasts_ms: tuple[int, int] = attrs.field(default=(500, 10_000))
    """The least and the longest duration."""
    down_max: int | None = None
    """How many hosts may be down or paused at a time; None: a minority, but one at least."""
    jump_ms_max: int = 60_000
    drift_ppm_max: int = 100_000

    @lasts_ms.validator
    def _check_lasts(self, _: object, value: tuple[int, int]) -> None:
        if not 0 < value[0] <= value[1]:
            raise ValueError(f"lasts_ms is {value}: from the least to the longest, above 0")


@attrs.frozen(kw_only=True)
class Harm:
    """An entry of the plan."""

    slot: int
    """Its entry in the drawing."""
    at_ms: int
    lasts_ms: int
    kind: str
    hosts: tuple[str, ...]
    """Who suffers; of a cut, one side."""
    others: tuple[str, ...] = ()
    """The other side of a cut or a clog."""
    one_way: bool = False
    """Only what goes from `hosts` to `others` is lost."""
    amount: int = 0
    """Of a clock: milliseconds or parts per million."""

    def __str__(self) -> str:
        sides = f"{'+'.join(self.hosts)}{' to ' if self.one_way else ' from ' if self.kind in CUTS else ' and '}"
        if self.kind in CLOCKS:
            return f"{self.kind} of {self.hosts[0]} by {self.amount} {'ms' if self.kind == JUMP else 'ppm'}"
        if self.others:
            return f"{self.kind}: {sides}{'+'.join(self.others)} for {self.lasts_ms} ms"
        return f"{self.kind} of {'+'.join(self.hosts)}" + (
            "" if self.kind in (RESTART, REFORMAT) else f" for {self.lasts_ms} ms"
        )


def draw_plan(
    streams: Streams, hosts: tuple[str, ...], options: Options, bystanders: tuple[str, ...] = ()
) -> tuple[Harm, ...]:
    """Return the harm to be done to hosts, in order of time; bystanders are cut and clogged, and otherwise spared."""
    slots = range(options.harms_max)
    drawn = (_drawn(slot, streams.stream(f"{STREAM}/{slot}"), hosts, options, bystanders) for slot in slots)
    return tuple(sorted((harm for harm in drawn if harm), key=lambda harm: (harm.at_ms, harm.slot)))


def _drawn(
    slot: int, stream: Stream, hosts: tuple[str, ...], options: Options, bystanders: tuple[str, ...]
) -> Harm | None:
    everybody = (*hosts, *bystanders)
    kinds = [kind for kind in options.kinds if len(everybody) > 1 or kind not in (*CUTS, *CLOGS)]
    choice = stream.below(len(kinds) + 1)
    if choice == 0:
        return None
    kind = kinds[choice - 1]
    at_ms = stream.below(round(options.phase_seconds * 1_000))
    harm = Harm(slot=slot, at_ms=at_ms, lasts_ms=stream.between(*options.lasts_ms), kind=kind, hosts=())
    if kind in CUTS:
        near, far = _sides(stream, kind, everybody)
        return attrs.evolve(harm, hosts=near, others=far, one_way=stream.chance(0.5))
    if kind == CLOG:
        one, other = stream.shuffled(everybody)[:2]
        return attrs.evolve(harm, hosts=(one,), others=(other,))
    if kind == SWIZZLE:
        return attrs.evolve(harm, hosts=everybody)
    if kind == QUORUM_LOSS:
        return attrs.evolve(harm, hosts=tuple(stream.shuffled(hosts)[: len(hosts) // 2 + 1]))
    amount = 0
    if kind in CLOCKS:
        size = 1 + stream.below(options.jump_ms_max if kind == JUMP else options.drift_ppm_max)
        amount = -size if stream.chance(0.5) else size
    return attrs.evolve(harm, hosts=(stream.pick(hosts),), amount=amount)


def _sides(stream: Stream, kind: str, everybody: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the two sides of a cut: one host and the rest, two halves, any two parts, or halves but for one host that
    sees both."""
    if kind == ISOLATE:
        one = stream.pick(everybody)
        return (one,), tuple(name for name in everybody if name != one)
    if kind == SPLIT:
        bits = stream.between(1, 2 ** len(everybody) - 2)
        near = tuple(name for place, name in enumerate(everybody) if bits >> place & 1)
        return near, tuple(name for name in everybody if name not in near)
    order = tuple(stream.shuffled(everybody))
    middle = len(order) // 2
    return order[:middle], order[middle + (kind == BRIDGE and len(order) > 2) :]


class Nemesis:
    """Carries out a plan of harm, and ends it."""

    def __init__(
        self, world: World, hosts: Iterable[str], options: Options = Options(), *, bystanders: Iterable[str] = ()
    ) -> None:
        """Draw the plan. `hosts` may be harmed in every way; `bystanders`, such as clients, only cut and clogged."""
        self.hosts = tuple(hosts)
        self.options = options
        self.plan = draw_plan(world.streams, self.hosts, options, tuple(bystanders))
        self.done: dict[str, int] = {}
        """How often harm of each kind was done."""
        self._world = world
        self._task: asyncio.Task[None] | None = None
        self._swizzles: list[asyncio.Task[None]] = []
        minority = max(1, (len(self.hosts) - 1) // 2)
        self._down_max = minority if options.down_max is None else options.down_max
        self._cut: Harm | None = None
        self._cut_free_ms = 0
        self._jumped_ms: dict[str, int] = {}
        world.nemeses.append(self)
        # By slot: which lives of its hosts a harm has struck.
        self._lives: dict[int, dict[str, int]] = {}

    def start(self) -> None:
        """Begin with the harm; the phase runs from now."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=STREAM)

    async def _run(self) -> None:
        started_ns = self._world.now_ns
        events = [(harm.at_ms, harm.slot, harm) for harm in self.plan]
        events += [(harm.at_ms + harm.lasts_ms, harm.slot, harm) for harm in self.plan]
        begun: set[int] = set()
        for at_ms, slot, harm in sorted(events, key=lambda event: event[:2]):
            left_ns = started_ns + at_ms * NS_PER_MS - self._world.now_ns
            if left_ns > 0:
                await asyncio.sleep(left_ns / NS_PER_SECOND)
            if slot in begun:
                self._end(harm)
            elif at_ms == harm.at_ms and self._begin(harm):
                begun.add(slot)
                self.done[harm.kind] = self.done.get(harm.kind, 0) + 1

    def report(self) -> tuple[FaultReport, ...]:
        """Return what became of the plan, per kind: how often it was planned, and how often it changed something."""
        planned = Counter(harm.kind for harm in self.plan)
        return tuple(
            FaultReport(
                kind=f"nemesis {kind}",
                matched=planned[kind],
                fired=self.done.get(kind, 0),
                never_reached=int(not planned[kind]),
            )
            for kind in self.options.kinds
        )

    # --- harm

    def _begin(self, harm: Harm) -> bool:
        """Do harm; say whether it changed anything."""
        if harm.kind in CUTS:
            return self._begin_cut(harm)
        if harm.kind in CLOCKS:
            return self._begin_clock(harm)
        if harm.kind in CLOGS:
            return self._begin_clog(harm)
        return self._begin_power(harm)

    def _begin_clog(self, harm: Harm) -> bool:
        self._tell(harm)
        network, seconds = self._world.network, harm.lasts_ms / 1_000
        if harm.kind == CLOG:
            network.clog(harm.hosts, harm.others, seconds=seconds)
        else:
            # One by one they clog, one by one they are free again, so it takes twice as many steps as there are hosts.
            swizzling = network.swizzle(harm.hosts, seconds_max=seconds / (2 * len(harm.hosts)))
            self._swizzles.append(asyncio.get_running_loop().create_task(swizzling, name=f"{STREAM}/{SWIZZLE}"))
        return True

    def _begin_power(self, harm: Harm) -> bool:
        struck = [host for name in harm.hosts if (host := self._world.host(name)).alive and not host.paused]
        if not struck or not self._may_fall(harm.kind):
            return False
        self._tell(harm)
        self._lives[harm.slot] = {host.name: host.incarnation for host in struck}
        for host in struck:
            if harm.kind == RESTART:
                host.restart()
            elif harm.kind == PAUSE:
                host.pause()
            elif harm.kind == REFORMAT:
                host.reformat()
                # At once: while it is away, the others would have to agree without it, and so make up for the loss.
                host.restart()
            else:
                host.crash()
        return True

    def _may_fall(self, kind: str) -> bool:
        """Say whether a host may fall in this way besides those that are down."""
        if kind in (RESTART, QUORUM_LOSS):
            return True
        if kind == REFORMAT:
            return self.done.get(REFORMAT, 0) < self._down_max
        hosts = [self._world.host(name) for name in self.hosts]
        return sum(each.paused or (each.incarnation > 0 and not each.alive) for each in hosts) < self._down_max

    def _begin_cut(self, harm: Harm) -> bool:
        if self._cut is not None or harm.at_ms < self._cut_free_ms:
            return False
        self._tell(harm)
        self._cut = harm
        self._world.network.partition(harm.hosts, harm.others, one_way=harm.one_way)
        return True

    def _begin_clock(self, harm: Harm) -> bool:
        name = harm.hosts[0]
        self._tell(harm)
        clock = self._world.host(name).clock
        if harm.kind == JUMP:
            clock.jump(harm.amount * NS_PER_MS)
            self._jumped_ms[name] = self._jumped_ms.get(name, 0) + harm.amount
        else:
            clock.drift(harm.amount, self._world.loop.wall_ns())
        return True

    def _end(self, harm: Harm) -> None:
        """End harm whose time is over, unless something else has ended it."""
        if harm.kind in CUTS:
            self._world.network.heal(harm.hosts, harm.others)
            self._cut = None
            self._cut_free_ms = harm.at_ms + harm.lasts_ms + self.options.lasts_ms[0]
        elif harm.kind == DRIFT:
            self._world.host(harm.hosts[0]).clock.drift(0, self._world.loop.wall_ns())
        elif harm.kind != RESTART:
            for name, incarnation in self._lives.get(harm.slot, {}).items():
                self._end_fall(self._world.host(name), incarnation)

    @staticmethod
    def _end_fall(host: Host, incarnation: int) -> None:
        """Bring a host back, if this is still the life that was struck."""
        if host.incarnation == incarnation:
            host.resume()
            if not host.alive:
                host.restart()

    def _tell(self, what: object) -> None:
        self._world.story(f"{NEMESIS}{what}")

    # --- healing

    def stop(self) -> None:
        """Do no more harm; what is done stays done."""
        for task in (self._task, *self._swizzles):
            if task is not None:
                task.cancel()

    async def heal_and_settle(
        self,
        done: Callable[[], bool | Awaitable[bool]],
        *,
        within_seconds: float,
        core: int | None = None,
        what: str = "the system settles",
    ) -> None:
        """End all harm, heal a drawn core of at least `core` hosts (None: a majority), and wait until `done` says so.

        The hosts outside the core lose power and stay down. Raise NotSettled, with who waits where and the last harm,
        when it takes longer than `within_seconds`; ValueError for a core that is none.
        """
        least = len(self.hosts) // 2 + 1 if core is None else core
        if not 0 <= least <= len(self.hosts):
            raise ValueError(f"a core of {least} of {len(self.hosts)} hosts")
        self.stop()
        stream = self._world.streams.stream(f"{STREAM}/core")
        outside = stream.below(len(self.hosts) - least + 1)
        order = stream.shuffled(self.hosts)
        self._heal(frozenset(order[len(order) - outside :]))
        await self._world.settle(done, within_seconds=within_seconds, what=what)

    def _heal(self, outside: frozenset[str]) -> None:
        staying = [name for name in self.hosts if name in outside]
        for name in staying:
            host = self._world.host(name)
            if host.alive:
                self._tell(f"crash of {name} for good")
                host.crash()
        self._cut = None
        for name in self.hosts:
            clock = self._world.host(name).clock
            clock.drift(0, self._world.loop.wall_ns())
            clock.jump(-self._jumped_ms.pop(name, 0) * NS_PER_MS)
        self._world.story(f"healed: all but {', '.join(staying) or 'nobody'}")
        self._world.heal([name for name in self._world.hosts if name not in outside])
