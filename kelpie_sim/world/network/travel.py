"""Messages without bytes: a whole message crosses a link under the same laws and faults as a piece of a TCP stream.

Made for simulated protocols that skip TCP, such as HTTP at message level. A message is sent again while the link is
cut or the receiver is down, as TCP would; what is not delivered after fifteen tries is given up.
"""

from __future__ import annotations

from itertools import count

from kelpie_sim.world.network.connecting import Answer, shake_hands
from kelpie_sim.world.network.faults import DELIVER, MESSAGE_FAULTS, SEND, NetworkReset
from kelpie_sim.world.network.harm import delay_ns, harm_link, settle
from kelpie_sim.world.network.links import Link
from kelpie_sim.world.network.medium import Medium
from kelpie_sim.world.network.pipes import RETRIES_MAX, RETRY_NS_MIN, reset_error, retry_ns, timeout_error


async def travel(
    medium: Medium, from_host: str, to_host: str, what: str, size_bytes: int, incarnation: int | None = None
) -> None:
    """Wait until a message of `size_bytes` has arrived; `incarnation` is the life in which the receiver knows it.

    Raise ConnectionResetError when a fault breaks the connection, or when the receiver is up in another life;
    TimeoutError when it cannot be reached.
    """
    link = medium.link(from_host, to_host)
    late_ns = _harm_message(medium, link)
    packet = medium.sent(link, what, b"", size_bytes)
    await medium.until(link.arrival_ns(medium.loop.time_ns, size_bytes) + late_ns)
    for attempt in count():
        if not await medium.passes(link):
            medium.dropped(packet, "cut")
        elif medium.is_up(to_host):
            _arrive(medium, link, packet, incarnation)
            return
        else:
            medium.dropped(packet, "host is down")
        if attempt == RETRIES_MAX:
            raise timeout_error()
        await medium.until(medium.loop.time_ns + retry_ns(attempt))


async def reach(medium: Medium, from_host: str, to_host: str) -> int:
    """Open a connection to a host on which somebody listens; return the incarnation that answered.

    Raise ConnectionRefusedError when a fault refuses it or the host's process has ended, TimeoutError when nobody
    answers.
    """
    answer = {True: Answer.ACCEPT, False: Answer.REFUSE}
    await shake_hands(medium, from_host, to_host, to_host, lambda: answer[medium.is_alive(to_host)])
    return medium.incarnation_of(to_host)


def _harm_message(medium: Medium, link: Link) -> int:
    """Act out the fault that strikes as a message leaves; return how much later it comes."""
    late_ns = RETRY_NS_MIN if link.law.loss and link.stream.chance(link.law.loss) else 0
    if SEND not in medium.risky:
        return late_ns
    verdict = medium.verdict(SEND, link.from_host, link.to_host, MESSAGE_FAULTS)
    if verdict is None or harm_link(medium, link, verdict):
        return late_ns
    if isinstance(verdict.fault, NetworkReset):
        verdict.fire()
        raise reset_error()
    delay = delay_ns(verdict.fault, link)
    settle(verdict, delay > 0)
    return late_ns + delay


def _arrive(medium: Medium, link: Link, packet: int, incarnation: int | None) -> None:
    if incarnation not in (None, medium.incarnation_of(link.to_host)):
        medium.dropped(packet, "another incarnation")
        raise reset_error()
    if DELIVER in medium.risky:
        verdict = medium.verdict(DELIVER, link.to_host, link.from_host, (NetworkReset,))
        if verdict is not None:
            verdict.fire()
            medium.dropped(packet, "reset")
            raise reset_error()
    medium.delivered(packet)
