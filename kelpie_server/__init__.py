"""Kelpie as a service: the core's use cases over HTTP, on real far sides. Never imports the simulator.

tokens.py       who a token speaks for
config.py       what an operator may choose
settings.py     settings from file, environment and command line
settings_page.py what is said of them
operations.py   every operation of Letta's client, as data
request.py      what handlers take from a request and give back
multipart.py    forms
sse.py          answers that come piece by piece
errors.py       errors to answers
auth.py         who asks
idempotency.py  requests that may be sent again
routes/         handlers, a file per resource
metrics.py      what Prometheus reads
spans.py        where spans go
spans_otel.py   spans by OpenTelemetry
observed.py     the ports, counted and with spans
middleware.py   what happens to every request
openapi_shapes.py the shapes of answers
openapi_operations.py what each operation takes and answers
openapi.py      the API as a document
docs_page.py    the page that shows it
app.py          routes and middleware as lists on one page
world/          the real far sides of the core's ports
logs.py         the log, without secrets
serving.py      a server from its start to its end
doctor.py       what is wrong with a set-up
remote.py       import and export through a server that runs
__main__.py     the command line; the only place that picks real far sides
"""
