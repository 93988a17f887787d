"""What any program touches, simulated. In reading order:

clock.py    the wall clock of a host: skew, drift, jump
host.py     named hosts: start, crash (power loss), restart; whose code is running
machine.py  what goes wrong with a machine itself: power, processor, memory, descriptors, clock
asgi.py     an ASGI application on a host, without the bytes of a server
gateway.py  what stands before an application: refusals, rate limits, lost answers
http.py     HTTP services: real uvicorn over TCP, or by messages
http_transport.py  requests of httpx and httpx2 as messages
network/    names, TCP, UDP, links with their laws and troubles
disk/       a disk per host: what is safe, what a crash takes, and what goes wrong with it
"""
