"""Kelpie as a service: the core's use cases over HTTP, on real far sides. Never imports the simulator.

config.py       what an operator may choose
operations.py   every operation of Letta's client, as data
request.py      what handlers take from a request and give back
multipart.py    forms
sse.py          answers that come piece by piece
errors.py       errors to answers
routes/         handlers, a file per resource
middleware.py   what happens to every request
app.py          routes and middleware as lists on one page
world/          the real far sides of the core's ports
serving.py      a server from its start to its end
remote.py       import and export through a server that runs
__main__.py     the command line; the only place that picks real far sides
"""
