"""Calls that wait for somebody's answer, whatever fails meanwhile.

approvals              ask, answer, deny, return, cancel, write in between: from two servers, under every fault
approval-crash         the same, one power loss around a commit, in mid-model or in mid-tool
approval-lost-answer   the same, nothing but commits that go through unheard: answers are sent again with their otid
two-approvers          two people answer at once, one yes and one no: one of them is taken
approval-cancel        a cancel and an answer at once: the conversation is free afterwards, whichever came first
client-tools           a client that runs the tools, interrupts itself, and goes on with a stale denial and a message
message-after-cancel   a turn is cancelled at any moment and a message sent at once: kept, once, and answered
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from kelpie_core.errors import CallerError, Refused, StoreError, TurnFailed
from kelpie_core.json_types import JsonObject
from kelpie_core.kelpie import Kelpie
from kelpie_core.model.agent import Agent
from kelpie_core.model.approval import PendingApproval
from kelpie_core.model.content import TextPart, text_of
from kelpie_core.model.message import Role
from kelpie_core.model.run import Run, RunStatus
from kelpie_core.model.tool import ClientTool, ToolStatus
from kelpie_core.model.turn import StopReason
from kelpie_core.records import RUNS
from kelpie_core.service.drafts import MessageDraft, TurnOptions
from kelpie_sim.agents.audit import audit, history_of, records_of
from kelpie_sim.agents.client import Client
from kelpie_sim.agents.cluster import Cluster, ServerGone
from kelpie_sim.agents.faults import OPERATIONS
from kelpie_sim.agents.scenarios.common import agent_draft, call, create_once, faults_sometimes, rare_faults, set_up
from kelpie_sim.agents.scenarios.turns import crashes, lost_acknowledgements
from kelpie_sim.scenario import Scenario
from kelpie_sim.seed import Stream
from kelpie_sim.simulation import World

ASKS = ({"type": "requires_approval", "tool_name": "note"},)
SHELL = TurnOptions(wait_seconds=120, client_tools=(ClientTool(name="shell"),))
TAKEN, REFUSED = "taken", "refused"
T = TypeVar("T")


@attrs.define(eq=False)
class Approver:
    """Somebody who answers what waits, and asks again with the same otid until told what became of it."""

    cluster: Cluster
    agent_id: str
    name: str
    server: int = 0
    told: dict[str, str] = attrs.field(factory=dict)
    denied: list[str] = attrs.field(factory=list)

    @property
    def client(self) -> Client:
        """Return the client that speaks for it."""
        return Client(self.cluster, self.name)

    async def pending(self) -> PendingApproval | None:
        """Return what waits."""
        state = await self._until_done(lambda kelpie: kelpie.agents.state(self.agent_id))
        return state.head.pending

    async def answer(self, *approvals: JsonObject, message: str | None = None, options: TurnOptions = SHELL) -> str:
        """Answer; return whether the answer was taken or refused."""
        otid = f"{self.name}-{len(self.told)}"
        drafts = [MessageDraft(role=Role.APPROVAL, approvals=approvals, otid=otid)]
        if message is not None:
            drafts.append(MessageDraft(content=(TextPart(text=message),), otid=f"{otid}-message"))

        async def work(kelpie: Kelpie) -> str:
            try:
                await kelpie.messages.send(self.agent_id, drafts, options)
            except TurnFailed:
                self.cluster.world.story(f"{self.name}: the turn failed after the answer")
            except Refused as error:
                self.cluster.world.story(f"{self.name}: {type(error).__name__}")
                return REFUSED
            return TAKEN

        self.told[otid] = await self._until_done(work)
        return self.told[otid]

    async def cancel(self) -> None:
        """Cancel whatever is at work or waits."""
        await self._until_done(lambda kelpie: kelpie.messages.cancel(self.agent_id))

    async def _until_done(self, work: Callable[[Kelpie], Awaitable[T]]) -> T:
        return await self.client.until_done(work, server=self.cluster.servers[self.server])


def verdicts(waits: PendingApproval, stream: Stream, *, approve: bool | None = None) -> tuple[JsonObject, ...]:
    """Return an answer to each call that asks: a verdict, or what a client says that it gave."""
    return tuple(
        _verdict(call.id, stream.pick(("yes", "no", "gave")) if approve is None else "yes" if approve else "no")
        for call in waits.asked
    )


def _verdict(call_id: str, kind: str) -> JsonObject:
    if kind == "gave":
        return {"type": "tool", "tool_call_id": call_id, "tool_return": "noted", "status": "success"}
    return {"type": "approval", "tool_call_id": call_id, "approve": kind == "yes", "reason": "because"}


def _script(stream: Stream, mark: str) -> str:
    """Return a script that asks once or twice, beside calls that need no leave."""
    note, look = call("note", text=mark), call("look", text=mark)
    other = call("note", text=f"{mark}-too")
    edit = call("core_memory_append", label="human", content=mark)
    calls = stream.pick(((note,), (look, note), (note, other), (edit, note, look), (note, edit)))
    later = stream.pick(((), (f"call {call('note', text=f'{mark}-late')}",)))
    return "\n".join((f"call {' & '.join(calls)}", *later, f"say {mark} is done now"))


async def _asking_agent(cluster: Cluster) -> Agent:
    await set_up(cluster, ())
    return await create_once(Client(cluster, "setup"), attrs.evolve(agent_draft("Ada"), tool_rules=ASKS))


async def _approvals(world: World) -> None:
    cluster, stream = Cluster(world, servers=2), world.streams.stream("workload")
    agent = await _asking_agent(cluster)
    approver = Approver(cluster, agent.id, "approver", server=1)
    for n in range(stream.between(1, 3)):
        mark = f"m{n}"
        await Client(cluster, "sender").send(agent.id, mark, _script(stream, mark), wait=120)
        for attempt in range(4):
            waits = await approver.pending()
            if waits is None:
                break
            await _meddle(world, approver, waits, stream, f"{mark}-{attempt}")
    await _free_at_last(world, approver)
    await _check_answers(world, approver)


async def _meddle(world: World, approver: Approver, waits: PendingApproval, stream: Stream, mark: str) -> None:
    """Do one of the things that people do while something waits."""
    match stream.pick(("answer", "answer", "deny and write", "wrong", "write", "cancel")):
        case "answer":
            await approver.answer(*verdicts(waits, stream))
            world.sometimes.hit("answered")
        case "deny and write":
            approver.denied += [c.arguments for c in waits.asked]
            await approver.answer(*verdicts(waits, stream, approve=False), message=f"say {mark} then")
            world.sometimes.hit("denied with a message")
        case "wrong":
            outcome = await approver.answer(_verdict("call-of-nobody", "yes"))
            world.check(outcome == REFUSED, "approval: an answer to a call of nobody was taken")
        case "write":
            op = await approver.client.send(approver.agent_id, mark, f"say {mark}", wait=120)
            world.check(op.outcome != "ok", "approval: a message was taken while a call waited for approval")
        case _:
            await approver.cancel()
            world.sometimes.hit("cancelled while it waited")


async def _free_at_last(world: World, approver: Approver) -> None:
    """Audit; then a cancel frees the thread whatever waits there, and a message is answered at once."""
    await audit(approver.cluster)
    await approver.cancel()
    world.check(await approver.pending() is None, "approval: a cancel left something waiting")
    after = await Client(approver.cluster, "after").send(approver.agent_id, "after", "say still here", wait=60)
    world.check(after.outcome == "ok" and not after.result["failed"], "approval: the agent does not answer any more")


async def _check_answers(world: World, *approvers: Approver) -> None:
    """Check that an answer that was taken is stored once, one that was refused is not, and what ran was allowed."""
    cluster, agent_id = approvers[0].cluster, approvers[0].agent_id
    messages = await approvers[0].client.until_done(lambda kelpie: history_of(kelpie, agent_id))
    otids = [message.otid for message in messages if message.role is Role.APPROVAL and message.step_id is None]
    for otid, outcome in [told for approver in approvers for told in approver.told.items()]:
        wanted = 1 if outcome == TAKEN else 0
        world.check(otids.count(otid) == wanted, f"approval: an answer that was {outcome} is not stored {wanted} times")
    unasked = {(m.step_id, c.id) for m in messages for c in m.tool_calls if c.name == "note" and not c.asks}
    for message in messages:
        ran = {(message.step_id, r.tool_call_id) for r in message.tool_returns if r.status is ToolStatus.SUCCESS}
        world.check(not ran & unasked, "approval: a call ran that asked nobody")
    for arguments in [one for approver in approvers for one in approver.denied]:
        noted = [note for note in cluster.ledger.notes if f'"{note}"' in arguments]
        world.check(not noted, "approval: a call that was denied took effect")


async def _two_approvers(world: World) -> None:
    cluster, stream = Cluster(world, servers=2), world.streams.stream("workload")
    agent = await _asking_agent(cluster)
    yes, no = (Approver(cluster, agent.id, name, server=n) for n, name in enumerate(("yes", "no")))
    await Client(cluster, "sender").send(agent.id, "m", f"call {call('note', text='m')}\nsay well", wait=120)
    waits = await yes.pending()
    if waits is not None:
        answers = (
            yes.answer(*verdicts(waits, stream, approve=True)),
            no.answer(*verdicts(waits, stream, approve=False)),
        )
        outcomes = await asyncio.gather(*answers)
        world.check(sorted(outcomes) == [REFUSED, TAKEN], "approval: of two answers not exactly one was taken")
        world.sometimes.hit("yes" if outcomes[0] == TAKEN else "no")
        no.denied += [c.arguments for c in waits.asked] if outcomes[1] == TAKEN else []
        calm = not any(report.fired for report in world.faults.report())
        missing = calm and outcomes[0] == TAKEN and cluster.ledger.notes != ["m"]
        world.check(not missing, "approval: a call that was approved did not run although nothing went wrong")
    await _free_at_last(world, yes)
    await _check_answers(world, yes, no)


async def _cancel_at_once(world: World) -> None:
    cluster, stream = Cluster(world, servers=2), world.streams.stream("workload")
    agent = await _asking_agent(cluster)
    approver = Approver(cluster, agent.id, "approver")
    sending = asyncio.ensure_future(Client(cluster, "sender").send(agent.id, "m", f"{_script(stream, 'm')}", wait=120))
    await asyncio.sleep(stream.between(0, 80) / 1_000)  # before, while or after it asks
    canceller = Approver(cluster, agent.id, "canceller", server=1)
    waits = await approver.pending()
    answering = approver.answer(*verdicts(waits, stream)) if waits is not None else asyncio.sleep(0, REFUSED)
    outcome, _ = await asyncio.gather(answering, canceller.cancel())
    world.sometimes.hit(f"answer {outcome}")
    await sending
    await _free_at_last(world, canceller)
    await _check_answers(world, approver)


async def _client_tools(world: World) -> None:
    cluster, stream = Cluster(world), world.streams.stream("workload")
    agent = (await set_up(cluster, ("Ada",)))[0]
    code = Approver(cluster, agent.id, "code")
    shell = " & ".join(call("shell", text=str(n)) for n in range(stream.between(1, 3)))
    early = await code.answer(_verdict("call-of-nobody", "gave"), message="say I am early")
    world.check(early == REFUSED, "approval: an answer to nothing was taken")
    await _begin_with_shell(code, f"call {shell}\ncall {call('shell', text='x')}\nsay well")
    for _ in range(4):
        waits = await code.pending()
        if waits is None:
            break
        if stream.chance(0.4):
            await _interrupt(world, code, waits)
            break
        await code.answer(*(_verdict(c.id, "gave") for c in waits.asked))
    await _free_at_last(world, code)
    await _check_answers(world, code)


async def _begin_with_shell(code: Approver, script: str) -> None:
    drafts = [MessageDraft(content=(TextPart(text=script),), otid="first")]

    async def work(kelpie: Kelpie) -> None:
        try:
            await kelpie.messages.send(code.agent_id, drafts, SHELL)
        except TurnFailed:
            code.cluster.world.story("the turn failed before it asked")

    await code.client.until_done(work)


async def _interrupt(world: World, code: Approver, waits: PendingApproval) -> None:
    """Do what a client does that its user stops in mid-work: half an answer, a cancel, then a denial with a message."""
    if len(waits.asked) > 1:
        half = await code.answer(_verdict(waits.asked[0].id, "gave"))
        world.check(half == REFUSED, "approval: half an answer was taken")
        world.sometimes.hit("half an answer")
    await code.cancel()
    outcome = await code.answer(*verdicts(waits, world.streams.stream("x"), approve=False), message="say never mind")
    world.check(outcome == TAKEN, "approval: a stale denial before a message was refused")
    messages = await code.client.until_done(lambda kelpie: history_of(kelpie, code.agent_id))
    told = [text_of(message.content) for message in messages]
    world.check(told.count("say never mind") == 1, "approval: the message behind a stale denial is not stored once")
    world.sometimes.hit("interrupted")


async def _message_after_cancel(world: World) -> None:
    cluster, stream = Cluster(world, servers=2), world.streams.stream("workload")
    agent = await _asking_agent(cluster)
    client = Client(cluster, "client")
    sending = asyncio.ensure_future(client.send(agent.id, "m1", _script(stream, "m1"), wait=60))
    await asyncio.sleep(stream.between(0, 120) / 1_000)
    told: Run | None = None
    try:
        # The other server cannot stop the turn: it leaves its wish in the store.
        told = await stream.pick(cluster.servers).call(lambda kelpie: kelpie.messages.cancel(agent.id))
    except (StoreError, CallerError, ServerGone) as error:
        world.story(f"cancel: {type(error).__name__}")
    second = await Client(cluster, "at once").send(agent.id, "m2", "say here I am", wait=60)
    if second.outcome == "ok":
        world.sometimes.hit("answered at once")
    await sending
    await _free_at_last(world, Approver(cluster, agent.id, "owner"))
    for run in await records_of(cluster, RUNS):
        if told is not None and run.id == told.id and told.status is RunStatus.RUNNING:
            world.sometimes.hit("cancelled at work")
            asks = run.stop_reason is StopReason.REQUIRES_APPROVAL
            world.check(not asks, "cancel: a turn that was told to end asks for approval")


_PLAIN = Scenario(
    name="approvals",
    run=_approvals,
    operations=OPERATIONS,
    faults=faults_sometimes,
    seeds=200,
    sometimes=("answered", "denied with a message", "cancelled while it waited"),
    doc="Calls that wait for approval, answered, denied, cancelled, under every fault.",
)
SCENARIOS = (
    _PLAIN,
    attrs.evolve(_PLAIN, name="approval-crash", faults=crashes),
    attrs.evolve(_PLAIN, name="approval-lost-answer", faults=lost_acknowledgements),
    attrs.evolve(_PLAIN, name="two-approvers", run=_two_approvers, sometimes=("yes", "no")),
    attrs.evolve(_PLAIN, name="approval-cancel", run=_cancel_at_once, sometimes=("answer taken", "answer refused")),
    attrs.evolve(
        _PLAIN, name="client-tools", run=_client_tools, faults=rare_faults, sometimes=("interrupted", "half an answer")
    ),
    attrs.evolve(
        _PLAIN,
        name="message-after-cancel",
        run=_message_after_cancel,
        sometimes=("answered at once", "cancelled at work"),
    ),
)
