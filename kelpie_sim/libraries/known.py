"""All adapters there are, and the one call that puts them to work."""

from kelpie_sim.libraries.adapter import Adaptation, Adapter
from kelpie_sim.libraries.async_io import ANYIO
from kelpie_sim.libraries.clients import CLIENTS
from kelpie_sim.libraries.databases import DATABASES
from kelpie_sim.libraries.servers import SERVERS

ADAPTERS: tuple[Adapter, ...] = (*ANYIO, *SERVERS, *CLIENTS, *DATABASES)

_adaptation = Adaptation(ADAPTERS)
# Called at the start of each run.
apply = _adaptation.apply
