"""One seed, one outcome: the only file that knows all parts.

    seed -> streams -> options -> faults -> world + scenario -> trace, history -> checks -> Outcome

Nothing that the program under test does escapes from here: an exception, a stall, an error in a task that nobody
awaited become the run's finding. What is raised is the caller's own doing, such as a filter on an operation that does
not exist.
"""

import asyncio
import platform
from collections.abc import Awaitable, Callable

from kelpie_sim.check.history import History, canonical
from kelpie_sim.check.invariants import Invariants
from kelpie_sim.check.sometimes import Sometimes
from kelpie_sim.errors import FaultNeverFired, NotSettled, Unsupported
from kelpie_sim.faults import NS_PER_SECOND, FaultBoard
from kelpie_sim.findings import finding_of
from kelpie_sim.loop import SimLoop
from kelpie_sim.options import Swarm
from kelpie_sim.outcome import Finding, FindingKind, Outcome
from kelpie_sim.registry import LostException
from kelpie_sim.run import run
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.strategies import strategy_named
from kelpie_sim.tape import Tape
from kelpie_sim.trace import Trace
from kelpie_sim.world.host import Host

PYTHON = platform.python_version()
OPTIONS_STREAM = "options"
# First often, then ever less: what takes an hour of virtual time need not be looked at each tenth of a second.
SETTLE_POLL_SECONDS = 0.1
SETTLE_POLL_SECONDS_MAX = 10.0


class World:
    """What a scenario gets to run in: the loop's time, hosts, faults, checks, and a place to tell its story."""

    def __init__(self, scenario: Scenario, seed: int, tape: Tape, *, keep_trace: bool) -> None:
        """Build the world; raise UnknownOperation for a fault that could never strike."""
        self.seed = seed
        self.streams = Streams(seed, tape)
        self.trace = Trace(keep_trace)
        self.lines: list[str] = []
        self.swarm = Swarm(self.streams.stream(OPTIONS_STREAM))
        faults = scenario.faults(self.swarm)
        self.faults = FaultBoard(faults, scenario.operations, self.streams, self._time_ns, self.trace, self._tell)
        # Made after all that may refuse: a loop has to be closed.
        self.loop = SimLoop(
            strategy_named(scenario.strategy, self.streams),
            self.trace,
            step_limit=scenario.step_limit,
            time_limit_ns=round(scenario.time_limit_seconds * NS_PER_SECOND),
        )
        self.history = History(self._time_ns, self.trace, self._tell)
        self.invariants = Invariants(self.loop.after_step)
        self.sometimes = Sometimes(scenario.sometimes)
        self.hosts: dict[str, Host] = {}

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
            self.hosts[name] = Host(self.loop, name)
        return self.hosts[name]

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

    def heal(self) -> None:
        """End all harm: faults strike no more, and hosts that are down start again."""
        self.faults.lift()
        for host in self.hosts.values():
            if host.incarnation and not host.alive:
                host.restart()

    async def settle(self, done: Callable[[], bool | Awaitable[bool]], *, within_seconds: float, what: str) -> None:
        """Wait until `done` says so; raise NotSettled when that takes longer than the bound allows."""
        deadline_ns = self.now_ns + round(within_seconds * NS_PER_SECOND)
        poll_seconds = SETTLE_POLL_SECONDS
        while not await _answer(done()):
            left_seconds = (deadline_ns - self.now_ns) / NS_PER_SECOND
            if left_seconds <= 0:
                raise NotSettled(f"{what}: not within {within_seconds} s after the faults had stopped")
            await self.sleep(min(poll_seconds, left_seconds))
            poll_seconds = min(2 * poll_seconds, SETTLE_POLL_SECONDS_MAX)


async def _answer(value: bool | Awaitable[bool]) -> bool:
    return value if isinstance(value, bool) else await value


def simulate(scenario: Scenario, seed: int, *, tape: Tape | None = None, keep_trace: bool = False) -> Outcome:
    """Run a scenario with a seed, or along a tape that replays, and return all that is known of the run.

    Raise UnknownOperation (a ValueError) for a fault whose filter names nothing: whoever built the scenario is wrong.
    Raise NonDeterminism if a tape does not even fit the options.
    """
    tape = Tape() if tape is None else tape
    world = World(scenario, seed, tape, keep_trace=keep_trace)
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
        faults=world.faults.report(),
        invariants=world.invariants.counts(),
        sometimes=world.sometimes.counts(),
        options=world.swarm.drawn,
        story=tuple(world.lines),
        tape=tape.to_json() if finding or keep_trace else b"",
        trace=tuple(world.trace.lines()) if keep_trace else (),
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
    # What is left running is cancelled next, and its clean-up is no place for further harm.
    world.faults.lift()


def _finding(world: World, error: BaseException | None) -> Finding | None:
    """Return why the run failed, if it did: what tells most, first."""
    if world.invariants.broken is not None:
        return finding_of(world.invariants.broken)
    finding = None if error is None else finding_of(error)
    lost = world.loop.lost_exceptions()
    if lost and (finding is None or finding.kind is FindingKind.LIVENESS):
        return _lost_finding(lost[0], finding)
    if finding is None and world.loop.refusals:
        return finding_of(Unsupported(world.loop.refusals[0], "the program swallowed this error"))
    return finding or _silent_fault(world.faults)


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
