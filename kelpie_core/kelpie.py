"""The face for embedding: one object over the ports, in whose name everything is done.

async with Kelpie(ports) as kelpie:
    agent = await kelpie.agents.create(AgentDraft(name="Ada"))
    result = await kelpie.messages.send(agent.id, [MessageDraft(content=(TextPart(text="hello"),))])
"""

from types import TracebackType

import attrs

from kelpie_core.errors import StoreError
from kelpie_core.ids import draw_id
from kelpie_core.limits import LOG_SECONDS_DEFAULT
from kelpie_core.model.actor import Actor
from kelpie_core.ports import Entropy, Ports
from kelpie_core.service.agents import Agents
from kelpie_core.service.blocks import Blocks
from kelpie_core.service.conversations import Conversations
from kelpie_core.service.departures import forget_departures
from kelpie_core.service.log_keeping import keep_logs
from kelpie_core.service.messages import Messages
from kelpie_core.service.recovery import unfinished_runs
from kelpie_core.service.runs import Runs
from kelpie_core.service.streams import Streams
from kelpie_core.service.supervisor import Supervisor
from kelpie_core.service.sweeps import run_due_sweeps
from kelpie_core.service.tags import Tags
from kelpie_core.service.tool_runs import ToolRuns
from kelpie_core.service.tools import Tools
from kelpie_core.service.transfer import Transfer


class Kelpie:
    """Agents, blocks, tools, messages, streams, conversations, runs and transfer, in the name of `actor`.

    Entering it as a context takes up what a dead process left; leaving it waits for the live turns, at most
    `grace_seconds`, and gives back the leases of those that are still at work. The stream of a background run can be
    heard for `log_seconds` after its end.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        actor: Actor = Actor(),
        holder: str | None = None,
        grace_seconds: float = 10,
        log_seconds: float = LOG_SECONDS_DEFAULT,
    ) -> None:
        self.ports = ports
        self.actor = actor
        self.holder = holder or draw_id("lease", ports.entropy)
        self.grace_seconds = grace_seconds
        self.log_seconds = log_seconds
        self._supervisor = Supervisor(ports)
        self._bind()

    def _bind(self) -> None:
        self.agents = Agents(self.ports, self.actor)
        self.blocks = Blocks(self.ports, self.actor)
        self.tools = Tools(self.ports, self.actor)
        self.tool_runs = ToolRuns(self.ports, self.actor)
        self.messages = Messages(self.ports, self.actor, self._supervisor, self.holder)
        self.streams = Streams(self.ports, self.actor, self._supervisor, self.messages.take_up)
        self.conversations = Conversations(self.ports, self.actor)
        self.runs = Runs(self.ports, self.actor)
        self.tags = Tags(self.ports, self.actor)
        self.transfer = Transfer(self.ports, self.actor)

    @property
    def live_turns(self) -> int:
        """Return how many turns run in this process."""
        return self._supervisor.live_turns

    def acting_as(self, actor: Actor, *, entropy: Entropy | None = None) -> "Kelpie":
        """Return the same Kelpie in another actor's name: same ports, same live turns.

        With `entropy`, that is what the ids of new things are drawn from: a KeyedEntropy for a request that may be
        sent again, so that each attempt finds what an earlier one stored.
        """
        ports = self.ports if entropy is None else attrs.evolve(self.ports, entropy=entropy)
        other = Kelpie(
            ports, actor=actor, holder=self.holder, grace_seconds=self.grace_seconds, log_seconds=self.log_seconds
        )
        other._supervisor = self._supervisor
        other._bind()
        return other

    async def recover(self, *, takeover: bool = False) -> int:
        """Take up the runs whose process died and purge what is due; return how many runs were taken up.

        Call it at start and from time to time. With `takeover`, leases of other holders count as run out: only for a
        store that no other process can have open. Raises StoreError.
        """
        taken, last, failed = 0, None, list[StoreError]()
        while runs := await unfinished_runs(self.ports, last):
            for run in runs:
                try:
                    taken += await self.messages.take_up(run.id, takeover=takeover)
                except StoreError as error:
                    failed.append(error)  # one that cannot be read must not keep the others
            last = runs[-1]
        await run_due_sweeps(self.ports)
        await keep_logs(self.ports, self.log_seconds)
        await forget_departures(self.ports)
        if failed:
            raise failed[0]
        return taken

    async def aclose(self) -> None:
        """Wait for the live turns, at most `grace_seconds`; then leave the rest to recovery."""
        await self._supervisor.aclose(self.grace_seconds)

    async def __aenter__(self) -> "Kelpie":
        await self.recover()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
