"""The language models of a server: any endpoint that speaks chat completions, OpenAI, Anthropic, the builtin echo.

models.py             a request's handle to the provider that has the model; the only place that others need
providers.py          the providers that are set up, the addresses that agents bring along
catalogue.py          which models they have
calls.py              what an adapter is given
chat_endpoint.py      the adapter on HTTP alone
openai_sdk.py         the adapter on OpenAI's SDK, an extra
anthropic_sdk.py      the adapter on Anthropic's SDK, an extra
settings.py           how an agent wants its model called
window.py             the window as any provider takes it
names.py              names and ids as providers take them
openai_body.py        a request as chat completions want it
openai_chunks.py      their chunks to pieces of a reply
anthropic_body.py     a request as Anthropic wants it
anthropic_events.py   its events to pieces of a reply
event_lines.py        server-sent events out of bytes
json_body.py          JSON to and from providers
failures.py           what a provider's failure means
pacing.py             how long a model may be silent
"""
