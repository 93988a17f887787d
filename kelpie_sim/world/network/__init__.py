"""The simulated network: names, TCP, UDP, and all that goes wrong between hosts. In reading order:

faults.py       what can go wrong on purpose, and the operations at which it can
laws.py         how a link behaves when nothing is wrong: latency, bandwidth, loss
names.py        names and addresses
links.py        the way from one host to another, with its troubles
medium.py       what all parts share: loop, trace, links, who is up
sockets.py      what a program sees of a socket
ports.py        who has which port
pipes.py        one direction of a connection: in order, whole, once, or the sender hears of it
harm.py         what the faults do to what is sent and delivered
streams.py      a TCP connection as asyncio sees it
tls.py          TLS that passes bytes in the clear
listening.py    servers
connecting.py   opening a connection
dialling.py     trying the addresses of a name, one by one or in a race
datagrams.py    UDP
travel.py       messages without bytes, under the same laws
control.py      what a harness does to the network
network.py      what the loop asks of the network
"""

from kelpie_sim.world.network.faults import OPERATIONS, PORT
from kelpie_sim.world.network.laws import Exponential, Fixed, Law, Uniform
from kelpie_sim.world.network.network import Network

__all__ = ["OPERATIONS", "PORT", "Exponential", "Fixed", "Law", "Network", "Uniform"]
