"""One seed, one outcome: the only file that knows all parts.

    seed -> streams -> options -> faults -> world + scenario -> trace, history -> checks -> Outcome

Nothing that the program under test does escapes from here: an exception, a stall, an error in a task that nobody
awaited become the run's finding. What is raised is the caller's own doing, such as a filter on an operation that does
not exist.
"""

import asyncio
import platform
from collections import deque
from collections.abc import Awaitable, Callable, Collection

import attrs

from kelpie_sim.buggify import Buggify
from kelpie_sim.buggify import attach as attach_buggify
from kelpie_sim.check.history import History
from kelpie_sim.check.invariants import Invariants
from kelpie_sim.check.sometimes import Sometimes
from kelpie_sim.check.sometimes import attach as attach_sometimes
from kelpie_sim.check.temporal import Temporal
from kelpie_sim.check.values import canonical
from kelpie_sim.errors import FaultNeverFired, NotSettled, Unsupported
from kelpie_sim.faults import NS_PER_SECOND, FaultBoard
from kelpie_sim.findings import finding_of
from kelpie_sim.guards import files
from kelpie_sim.guards.active import installed
from kelpie_sim.loop import SimLoop
from kelpie_sim.nemesis import Nemesis
from kelpie_sim.options import Swarm
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.registry import LostException
from kelpie_sim.run import run
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.standstill import circumstances
from kelpie_sim.strategies import Estimate, Strategy, strategy_named, wants_estimate
from kelpie_sim.strategies.estimate import Counting
from kelpie_sim.tape import Tape
from kelpie_sim.trace import Trace
from kelpie_sim.waiting import told_sites
from kelpie_sim.world import disk as storage
from kelpie_sim.world import gateway, machine
from kelpie_sim.world import network as net
from kelpie_sim.world.host import Host

# What can fail in any program, whatever ports it has of its own.
ENGINE_OPERATIONS = {room.PORT: room.OPERATIONS for room in (machine, net, storage, gateway)}
PYTHON = platform.python_version()
OPTIONS_STREAM = "options"
# First often, then ever less: what takes an hour of virtual time need not be looked at each tenth of a second.
SETTLE_POLL_SECONDS = 0.1
SETTLE_POLL_SECONDS_MAX = 10.0


class World:
    """What a scenario gets to run in: the loop's time, hosts, faults, checks, and a place to tell its story."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        tape: Tape,
        *,
        keep_trace: bool,
        strategy: "Callable[[World], Strategy] | None" = None,
    ) -> None:
        """Build the world; raise UnknownOperation for a fault that could never strike.

        `strategy` makes the strategy in place of the one that the scenario names.
        """
        self.seed = seed
        self.streams = Streams(seed, tape)
        self.trace = Trace(keep_trace)
        self.lines: list[str] = []
        self.swarm = Swarm(self.streams.stream(OPTIONS_STREAM))
        faults = scenario.faults(self.swarm)
        operations = {**ENGINE_OPERATIONS, **scenario.operations}
        self.faults = FaultBoard(faults, operations, self.streams, self._time_ns, self.trace, self._tell)
        # Made after all that may refuse: a loop has to be closed.
        self.loop = SimLoop(
            (strategy or strategy_of(scenario, tape))(self),
            self.trace,
            step_limit=scenario.step_limit,
            time_limit_ns=round(scenario.time_limit_seconds * NS_PER_SECOND),
        )
        self.history = History(self._time_ns, self.trace, self._tell)
        self.invariants = Invariants(self.loop.after_step)
        self.temporal = Temporal(self.invariants, self._time_ns)
        self.nemeses: list[Nemesis] = []
        self.sometimes = Sometimes(scenario.sometimes, self.trace, tape.lengths)
        attach_sometimes(self.loop, self.sometimes)
        self.buggify = Buggify(self.streams, self.trace)
        attach_buggify(self.loop, self.buggify)
        self.hosts: dict[str, Host] = {}
        self._network: net.Network | None = None
        self.loop.make_network = self._make_network
        self._disks: storage.Disks | None = None
        self._machines = machine.Machines(self.loop, faults, self.faults, self.streams)

    @property
    def now_ns(self) -> int:
        """The virtual time since the start of the run."""
        return self.loop.time_ns

    def _time_ns(self) -> int:
        return self.loop.time_ns

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def host(self, name: str) -> Host:
        """Return the host of this name, made at the first call; it runs nothing before it is started."""
        if name not in self.hosts:
            self.hosts[name] = host = Host(self.loop, name)
            self._machines.watch(host)
            # Every machine has its disk, whether or not the scenario ever looks at it.
            if self._disks is None and installed() is not None:
                self._attach_disks()
        return self.hosts[name]

    @property
    def network(self) -> net.Network:
        """The simulated network, attached to the loop at the first look."""
        return self._network or self._make_network()

    def _make_network(self) -> net.Network:
        self._network = net.Network(self.loop, self.streams, self.faults, self._tell, hosts=self.hosts)
        return self._network

    def disk(self, host: Host) -> storage.Disk:
        """Return the disk of a host."""
        return self.disks.disk(host)

    @property
    def disks(self) -> storage.Disks:
        """The disks of the hosts: what a host does with files goes to its disk."""
        return self._disks or self._attach_disks()

    def _attach_disks(self) -> storage.Disks:
        self._disks = disks = storage.Disks(self.loop, self.streams, self.faults, self.trace)
        files.serve(disks)
        return disks

    def check(self, condition: object, message: str) -> None:
        """Raise InvariantBroken unless the condition is true. Write the message as `what must hold: what was found`."""
        self.invariants.check(condition, message)

    def story(self, text: str) -> None:
        """Tell a line of the run's story; a failure prints them, numbered."""
        self.trace.record("story", text)
        self._tell(text)

    def _tell(self, text: str) -> None:
        """Add a line to the story of what is on the trace already."""
        self.lines.append(f"{self.now_ns / NS_PER_SECOND:.6f} s  {text}")

    def heal(self, hosts: Collection[str] | None = None) -> None:
        """End all harm: faults strike no more, and hosts that are down start again, all or those named."""
        self.faults.lift()
        self.buggify.lift()
        if self._network is not None:
            self._network.heal()
        for host in self.hosts.values() if hosts is None else [self.hosts[name] for name in hosts]:
            host.resume()
            if host.incarnation and not host.alive:
                host.restart()

    async def settle(self, done: Callable[[], bool | Awaitable[bool]], *, within_seconds: float, what: str) -> None:
        """Wait until `done` says so; raise NotSettled when that takes longer than the bound allows."""
        deadline_ns = self.now_ns + round(within_seconds * NS_PER_SECOND)
        poll_seconds = SETTLE_POLL_SECONDS
        while not await _answer(done()):
            left_seconds = (deadline_ns - self.now_ns) / NS_PER_SECOND
            if left_seconds <= 0:
                waiting = [task for task in self.loop.live_tasks() if task is not asyncio.current_task()]
                late = f"{what}: not within {within_seconds} s after the faults had stopped"
                raise NotSettled(late + told_sites(waiting))
            await self.sleep(min(poll_seconds, left_seconds))
            poll_seconds = min(2 * poll_seconds, SETTLE_POLL_SECONDS_MAX)


# By identity, and few: a process that makes new scenarios for ever must not grow.
_ESTIMATES: deque[tuple[tuple[object, ...], Estimate]] = deque(maxlen=64)


def strategy_of(scenario: Scenario, tape: Tape) -> Callable[[World], Strategy]:
    """Return what makes the scenario's own strategy.

    One that wants to know how long the scenario is gets the counts of a plain run of seed 0, made once per process: a
    function of the scenario alone, so a seed still means the same run wherever it is run.
    """
    estimate = _estimate_of(scenario) if wants_estimate(scenario.strategy, tape) else None
    return lambda world: strategy_named(scenario.strategy, world.streams, estimate)


def _estimate_of(scenario: Scenario) -> Estimate:
    parts = (scenario.run, scenario.faults, scenario.operations, scenario.step_limit)
    for known, estimate in _ESTIMATES:
        if all(one is other for one, other in zip(known, parts, strict=True)):
            return estimate
    counting = Counting()
    simulate(scenario, 0, strategy=lambda world: counting)
    _ESTIMATES.append((parts, counting.estimate()))
    return _ESTIMATES[-1][1]


async def _answer(value: bool | Awaitable[bool]) -> bool:
    return value if isinstance(value, bool) else await value


def simulate(
    scenario: Scenario,
    seed: int,
    *,
    tape: Tape | None = None,
    keep_trace: bool = False,
    strategy: Callable[[World], Strategy] | None = None,
) -> Outcome:
    """Run a scenario with a seed, or along a tape that replays, and return all that is known of the run.

    `strategy` makes the strategy in place of the one that the scenario names.

    Raise UnknownOperation (a ValueError) for a fault whose filter names nothing: whoever built the scenario is wrong.
    Raise NonDeterminism if a tape does not even fit the options.
    """
    tape = Tape() if tape is None else tape
    world = World(scenario, seed, tape, keep_trace=keep_trace, strategy=strategy)
    error = _run(world, scenario)
    finding = _finding(world, error)
    return Outcome(
        scenario=scenario.name,
        seed=seed,
        digest=world.trace.digest(),
        records=world.trace.count,
        steps=world.loop.steps,
        virtual_ns=world.loop.time_ns,
        python=PYTHON,
        finding=finding,
        faults=(*world.faults.report(), *(report for each in world.nemeses for report in each.report())),
        invariants=world.invariants.counts(),
        sometimes={**world.sometimes.counts(), **world.temporal.causes()},
        watermarks=world.sometimes.watermarks(),
        buggify=world.buggify.counts(),
        options=world.swarm.drawn,
        story=tuple(world.lines),
        tape=tape.to_json() if finding or keep_trace else b"",
        entries=world.trace.entries(),
        history=world.history.to_jsonl() if keep_trace and len(world.history) else "",
    )


def _run(world: World, scenario: Scenario) -> BaseException | None:
    """Run the scenario to its end, whatever that is, and return the error that ended it."""
    world.trace.record("scenario", scenario.name, canonical(world.swarm.drawn))
    try:
        run(world.loop, world.streams, _main(world, scenario))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return error
    return None


async def _main(world: World, scenario: Scenario) -> None:
    await scenario.run(world)
    world.temporal.end()
    # What is left running is cancelled next, and its clean-up is no place for further harm.
    world.faults.lift()
    world.buggify.lift()


def _finding(world: World, error: BaseException | None) -> Finding | None:
    """Return why the run failed, if it did: what tells most, first."""
    if world.invariants.broken is not None:
        return _told(world, world.invariants.broken)
    finding = None if error is None else _told(world, error)
    lost = world.loop.lost_exceptions()
    if lost and (finding is None or finding.kind is FindingKind.LIVENESS):
        return _lost_finding(lost[0], finding)
    if finding is None and world.loop.refusals:
        return finding_of(Unsupported(world.loop.refusals[0], "the program swallowed this error"))
    return finding or _silent_fault(world.faults)


def _told(world: World, error: BaseException) -> Finding:
    """Return the finding for an error; a lack of progress is told with what stood in the way."""
    finding = finding_of(error)
    if finding.kind is not FindingKind.LIVENESS:
        return finding
    return attrs.evolve(finding, message=finding.message + circumstances(world, error))


def _lost_finding(lost: LostException, then: Finding | None) -> Finding:
    """Return the finding for an error that nobody saw; a stall that follows is most often its consequence."""
    error = lost.exception or RuntimeError(lost.message)
    found = finding_of(error)
    aftermath = f"\nthen: {then.message}" if then else ""
    return Finding(
        kind=found.kind,
        signature=found.signature,
        message=f"{found.message} ({lost.message}, in {lost.source}){aftermath}",
        traceback=found.traceback,
    )


def _silent_fault(board: FaultBoard) -> Finding | None:
    try:
        board.check_never_fired()
    except FaultNeverFired as error:
        return finding_of(error)
    return None
