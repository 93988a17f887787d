"""The nemesis: drawn harm, healing, and the demand to settle."""

import asyncio

import attrs
import pytest

from kelpie_sim import nemesis
from kelpie_sim.faults import FaultReport
from kelpie_sim.nemesis import Harm, Nemesis, Options, draw_plan
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Streams
from kelpie_sim.simulation import World, simulate
from kelpie_sim.tape import Tape

HOSTS = ("a", "b", "c")


def plans(*, hosts=HOSTS, seeds=200, **options):
    """Return all harm that many seeds draw."""
    drawn = (draw_plan(Streams(seed), hosts, Options(**options), ("client",)) for seed in range(seeds))
    return [harm for plan in drawn for harm in plan]


def test_plan_holds_all_kinds_within_its_bounds():
    """Each kind is drawn, within the phase, for a duration between the least and the longest."""
    drawn = plans(phase_seconds=10, lasts_ms=(5, 7))
    assert set(nemesis.KINDS) == {harm.kind for harm in drawn}
    assert {5, 6, 7} == {harm.lasts_ms for harm in drawn}
    assert (True, True) == (min(harm.at_ms for harm in drawn) < 300, 9_700 < max(harm.at_ms for harm in drawn) < 10_000)


def test_choice_zero_is_no_harm():
    """A tape of zeros draws a plan without harm, and one entry taken away moves no other."""
    assert () == draw_plan(Streams(1, Tape.replaying(Tape())), HOSTS, Options())
    tape = Tape()
    plan = draw_plan(Streams(7, tape), HOSTS, Options())
    first = plan[0].slot
    muted = Tape.of({name: tape.choices(name) for name in tape.names() if name != f"nemesis/{first}"})
    assert plan[1:] == draw_plan(Streams(7, Tape.replaying(muted)), HOSTS, Options())


def test_cuts_have_their_shapes():
    """One host and the rest, two halves, any two parts, or halves with one host between that sees both."""
    sizes = {
        kind: {(len(harm.hosts), len(harm.others)) for harm in plans(kinds=(kind,), harms_max=2)}
        for kind in nemesis.CUTS
    }
    assert {"isolate": {(1, 3)}, "halves": {(2, 2)}, "split": {(1, 3), (2, 2), (3, 1)}, "bridge": {(2, 1)}} == sizes
    for harm in plans(kinds=nemesis.CUTS):
        assert not set(harm.hosts) & set(harm.others)
    assert {True, False} == {harm.one_way for harm in plans(kinds=("isolate",))}


def test_bystanders_are_only_cut():
    """A client is on a side of a cut, and keeps its power and its clock."""
    spared = (*nemesis.POWER, *nemesis.CLOCKS)
    assert set(HOSTS) == {name for harm in plans(kinds=spared) for name in harm.hosts}
    assert "client" in {name for harm in plans(kinds=("isolate",)) for name in harm.hosts}


def test_lone_host_is_not_cut():
    """Where there is nobody else, there is no network to cut."""
    drawn = [harm for seed in range(50) for harm in draw_plan(Streams(seed), ("a",), Options())]
    assert {*nemesis.POWER, *nemesis.CLOCKS} == {harm.kind for harm in drawn}


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="crash", hosts=("a",)), "crash of a for 9 ms"),
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="restart", hosts=("a",)), "restart of a"),
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="reformat", hosts=("a",)), "reformat of a"),
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="quorum loss", hosts=("a", "b")), "quorum loss of a+b for 9 ms"),
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="clock jump", hosts=("a",), amount=-3), "clock jump of a by -3 ms"),
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="clock drift", hosts=("a",), amount=3), "clock drift of a by 3 ppm"),
        (Harm(slot=0, at_ms=1, lasts_ms=9, kind="clog", hosts=("a",), others=("b",)), "clog: a and b for 9 ms"),
        (
            Harm(slot=0, at_ms=1, lasts_ms=9, kind="split", hosts=("a",), others=("b", "c")),
            "split: a from b+c for 9 ms",
        ),
        (
            Harm(slot=0, at_ms=1, lasts_ms=9, kind="isolate", hosts=("a",), others=("b",), one_way=True),
            "isolate: a to b for 9 ms",
        ),
    ],
)
def test_harm_is_told_in_words(harm, text):
    """The story says what was done to whom, and for how long."""
    assert text == str(harm)


@pytest.mark.parametrize(
    "wrong", [{"kinds": ("flood",)}, {"lasts_ms": (0, 3)}, {"lasts_ms": (4, 3)}, {"harms_max": -1}]
)
def test_wrong_options_are_refused(wrong):
    """Kinds that do not exist and durations that are none are the caller's mistake."""
    with pytest.raises(ValueError, match=r"."):
        Options(**wrong)


def harmed(*harms, look_at, hosts=HOSTS, **options):
    """Do harm, and return what `look_at(world)` saw at each of some seconds, with the nemesis."""
    seen = []
    made = []

    async def idle():
        await asyncio.Event().wait()

    async def run(world: World) -> None:
        for name in hosts:
            world.host(name).start(idle)
        demon = Nemesis(world, hosts, Options(**options))
        demon.plan = tuple(attrs.evolve(harm, slot=slot) for slot, harm in enumerate(harms))
        made.append(demon)
        demon.start()
        for seconds, look in look_at:
            await world.sleep(seconds - world.now_ns / 1e9)
            seen.append(look(world))

    outcome = simulate(Scenario(name="made", run=run), 1)
    assert outcome.finding is None
    return seen, made[0], outcome


def harm(kind, host="a", *, at_ms=1_000, lasts_ms=2_000, others=(), **rest):
    """Return an entry of a plan."""
    return Harm(slot=0, at_ms=at_ms, lasts_ms=lasts_ms, kind=kind, hosts=(host,), others=others, **rest)


def power(world):
    """Return each host's life and whether it is up and running."""
    return [(host.incarnation, host.alive, host.paused) for host in world.hosts.values()]


UP = (1, True, False)


@pytest.mark.parametrize(
    ("kind", "during", "after"),
    [
        ("crash", (1, False, False), (2, True, False)),
        ("pause", (1, True, True), UP),
        ("restart", (2, True, False), (2, True, False)),
    ],
)
def test_power_fails_and_comes_back(kind, during, after):
    """A host crashes, pauses or restarts at its time, and is back when the harm's time is over."""
    seen, demon, _ = harmed(harm(kind), look_at=[(0.9, power), (1.1, power), (3.1, power)])
    assert [[UP] * 3, [during, UP, UP], [after, UP, UP]] == seen
    assert {kind: 1} == demon.done


def test_harm_that_would_change_nothing_is_passed_over():
    """What is down is not crashed again, and no more hosts are down at a time than allowed."""
    harms = (harm("crash"), harm("pause", at_ms=1_500), harm("crash", "b", at_ms=1_600))
    seen, demon, outcome = harmed(*harms, look_at=[(2, power), (5, power)])
    assert [[(1, False, False), UP, UP], [(2, True, False), UP, UP]] == seen
    assert {"crash": 1} == demon.done
    reports = {report.kind: report for report in outcome.faults}
    assert FaultReport(kind="nemesis crash", matched=2, fired=1) == reports["nemesis crash"]
    assert FaultReport(kind="nemesis clog", never_reached=1) == reports["nemesis clog"]
    assert ["1.000000 s  nemesis: crash of a for 2000 ms"] == list(outcome.story)


def test_allowed_number_of_hosts_may_be_down():
    """With a larger bound, all hosts may be down together."""
    harms = [harm("crash", name) for name in HOSTS]
    seen, _, _ = harmed(*harms, look_at=[(2, power), (4, power)], down_max=3)
    assert [[(1, False, False)] * 3, [(2, True, False)] * 3] == seen


def test_quorum_is_lost_and_comes_back():
    """A majority loses its power at one instant, whatever number may be down, and is back when the time is over."""
    lost = attrs.evolve(harm("quorum loss"), hosts=("a", "c"))
    seen, demon, _ = harmed(harm("pause", "b", at_ms=500, lasts_ms=9_000), lost, look_at=[(2, power), (4, power)])
    down, back, paused = (1, False, False), (2, True, False), (1, True, True)
    assert ([[down, paused, down], [back, paused, back]], {"pause": 1, "quorum loss": 1}) == (seen, demon.done)
    assert {2} == {len(harm.hosts) for harm in plans(kinds=("quorum loss",))}


def test_disks_are_lost_within_bounds():
    """A reformatted host comes back at once with an empty disk, and no more hosts lose theirs than may be down."""
    lost = [harm("reformat"), harm("reformat", "b", at_ms=5_000)]
    seen, demon, _ = harmed(*lost, look_at=[(0.5, with_a_file), (2, power), (4, files), (8, power)])
    back = (2, True, False)
    assert [None, [back, UP, UP], [False], [back, UP, UP]] == seen
    assert {"reformat": 1} == demon.done


def with_a_file(world):
    """Put something safe on a host's disk."""
    file = world.disk(world.host("a")).open("/kept", create=True)
    file.write_at(0, b"kept")
    file.sync()


def files(world):
    """Say whether it is still there."""
    return [world.disk(world.host("a")).exists("/kept")]


def test_host_that_somebody_else_restarted_is_left_alone():
    """The end of a crash does not start a host again that is up already."""

    def restart(world):
        world.host("a").restart()

    seen, _, _ = harmed(harm("crash"), look_at=[(2, restart), (4, power)])
    assert [(2, True, False), UP, UP] == seen[1]


def cuts(world):
    """Return which links are cut or stuck, by name."""
    links = world.network._medium.links.values()
    return sorted(f"{link.from_host}{link.to_host}" for link in links if link.obstacle(world.now_ns))


def test_cuts_and_clogs_hold_for_their_time():
    """The links between two sides are cut, in one direction or both, and healed when the time is over."""
    times = [(seconds, cuts) for seconds in (0.5, 1.5, 3.5)]
    both, _, _ = harmed(harm("isolate", others=("b", "c")), look_at=times)
    assert [[], ["ab", "ac", "ba", "ca"], []] == both
    one_way, _, _ = harmed(harm("isolate", others=("b", "c"), one_way=True), look_at=times)
    assert [[], ["ab", "ac"], []] == one_way
    clogged, _, _ = harmed(harm("clog", others=("b",)), look_at=times)
    assert [[], ["ab", "ba"], []] == clogged


def test_swizzle_clogs_hosts_one_by_one_and_ends():
    """Some hosts are clogged, each against all others, and free again by the end of the time."""
    swizzle = Harm(slot=0, at_ms=1_000, lasts_ms=6_000, kind="swizzle", hosts=HOSTS)
    times = [(0.5, cuts), *((1.1 + number / 4, cuts) for number in range(20)), (9, cuts)]
    (before, *during, after), demon, outcome = harmed(swizzle, look_at=times)
    assert ([], []) == (before, after)
    clogged = [each for each in during if each]
    assert all(f"{link[1]}{link[0]}" in each for each in clogged for link in each)
    assert 1 < len({tuple(each) for each in clogged})
    assert {"swizzle": 1} == demon.done
    assert "1.000000 s  nemesis: swizzle of a+b+c for 6000 ms" == outcome.story[0]


def test_cuts_do_not_overlap_or_flap():
    """A cut waits until the last is over and the network was quiet for the least duration."""
    second = harm("isolate", "b", others=("a",), at_ms=2_000)
    hasty = harm("isolate", "b", others=("a",), at_ms=3_400)
    third = harm("isolate", "b", others=("a",), at_ms=3_500)
    _, demon, outcome = harmed(harm("isolate", others=("c",)), second, hasty, third, look_at=[(9, cuts)])
    assert {"isolate": 2} == demon.done
    told = [line for line in outcome.story if "nemesis" in line]
    assert ["1.000000 s  nemesis: isolate: a from c", "3.500000 s  nemesis: isolate: b from a"] == [
        line.removesuffix(" for 2000 ms") for line in told
    ]


def clock(world):
    """Return by how many milliseconds the first host's clock is off."""
    return (world.host("a").clock.wall_ns(world.loop.wall_ns()) - world.loop.wall_ns()) // 1_000_000


def test_clocks_jump_and_drift():
    """A clock jumps for good, or runs fast for a time."""
    jumped, _, _ = harmed(harm("clock jump", amount=-500), look_at=[(0.5, clock), (2, clock), (9, clock)])
    assert [0, -500, -500] == jumped
    drifted, _, _ = harmed(harm("clock drift", amount=100_000), look_at=[(1, clock), (2, clock), (9, clock)])
    assert [0, 100, 200] == drifted


def healed(*harms, seed=1, core=None, within_seconds=5, **options):
    """Do harm, heal two seconds later, and return what the world looks like then, or the finding."""
    seen = []

    async def idle():
        await asyncio.Event().wait()

    async def run(world: World) -> None:
        for name in (*HOSTS, "client"):
            world.host(name).start(idle)
        demon = Nemesis(world, HOSTS, Options(**options), bystanders=("client",))
        demon.plan = tuple(attrs.evolve(each, slot=slot) for slot, each in enumerate(harms))
        demon.start()
        await world.sleep(2)
        await demon.heal_and_settle(
            lambda: world.now_ns > 4e9, within_seconds=within_seconds, core=core, what="all is well"
        )
        seen.append((power(world), cuts(world), clock(world)))
        await world.sleep(60)
        seen.append((power(world), cuts(world), clock(world)))

    outcome = simulate(Scenario(name="made", run=run), seed)
    return outcome.finding if outcome.failed else seen


HARMS = (
    harm("crash"),
    harm("isolate", "b", others=("c",)),
    harm("clock jump", "a", amount=700, at_ms=1_200),
    harm("clock drift", "a", amount=9_000, at_ms=1_300),
    harm("pause", "b", at_ms=5_000),
)


def test_healing_ends_all_harm():
    """With the whole as its core, healing brings everything back, and nothing of the plan happens later."""
    well = [(2, True, False), UP, UP, UP]
    for power_seen, cuts_seen, off_ms in healed(*HARMS, core=3):
        assert (well, []) == (power_seen, cuts_seen)
        # What it gained by drifting stays: nobody set it back.
        assert 6 == off_ms


def test_hosts_outside_the_core_stay_down():
    """The seed draws how many hosts stay dead, and which; clients and at least the core are up."""
    down = set()
    for seed in range(40):
        (hosts, *_), (later, *_) = healed(seed=seed)
        assert hosts == later
        assert UP == hosts[-1]
        down.add(tuple(name for name, (_, alive, _) in zip(HOSTS, hosts, strict=False) if not alive))
    assert {(), ("a",), ("b",), ("c",)} == down


def test_system_that_does_not_settle_is_told_with_its_tasks_and_the_last_harm():
    """NotSettled names what was demanded, who waits where, who is down, and the last harm."""
    finding = healed(*HARMS, within_seconds=1, core=3)
    assert finding is not None
    lines = finding.message.splitlines()
    assert "all is well: not within 1 s after the faults had stopped" == lines[0]
    assert ["a/main", "b/main", "c/main", "client/main"] == sorted(line.split()[0] for line in lines[1:-1])
    assert "  last harm: 1.300000 s  nemesis: clock drift of a by 9000 ppm" == lines[-1]


def test_core_must_be_possible():
    """A core larger than the system is the caller's mistake."""
    finding = healed(core=4)
    assert "a core of 4 of 3 hosts" == finding.message
