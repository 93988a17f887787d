"""Requests that nobody would write, made by schemathesis from the server's own OpenAPI document.

Half of the paths name things that are there, the others what the document allows or forbids there. An answer must be
in the document with its status, its type and its shape; an error of the server is a failure, except the 501 of what is
not implemented.

    python -m tests.server.fuzzing URL CASES      in a process of its own: schemathesis changes what Hypothesis prints
"""

import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import attrs
import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

ANSWER_SECONDS_MAX = 10
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
FAILURE_CHARS = 600


@attrs.define(eq=False)
class Fuzzed:
    """How many requests were made, how many were taken (2xx), and what was wrong, a text each."""

    cases: int = 0
    taken: int = 0
    failures: list[str] = attrs.field(factory=list)


def fuzz(url: str, cases: int, first_seed: int = 0) -> Fuzzed:
    """Send the server about so many requests, the same number to each operation, and return what was found."""
    found = Fuzzed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # schemathesis is free to warn of itself
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
        for number, operation in enumerate(operations):
            _fuzz_operation(url, operation, max(1, cases // len(operations)), first_seed + number, found)
    return found


def _fuzz_operation(url: str, operation: Any, cases: int, number: int, found: Fuzzed) -> None:
    there = dict(_things(url))
    named = {name: there[name] for name in _path_names(operation) if name in there}

    @seed(number)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=_cases(operation, named))
    def send(case: Any) -> None:
        found.cases += 1
        if failure := _failure(url, case, found):
            found.failures.append(failure[:FAILURE_CHARS])

    send()


def _cases(operation: Any, named: dict[str, str]) -> "st.SearchStrategy[Any]":
    anything = [operation.as_strategy(), operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)]
    if named:
        anything.append(operation.as_strategy(path_parameters=named))
    return st.one_of(anything)


def _failure(url: str, case: Any, found: Fuzzed) -> str:
    """Return what is wrong with the answer to a case, an empty text if nothing is."""
    told = f"{case.method} {case.formatted_path} {str(case.body)[:200]}"
    try:
        answer = case.call(base_url=url, timeout=ANSWER_SECONDS_MAX)
    except Exception as error:  # whatever the transport raises: no answer is a failure
        return f"{told}: no answer: {type(error).__name__} {error}"
    found.taken += answer.status_code < 300
    if answer.status_code >= 500 and answer.status_code != 501:
        return f"{told}: {answer.status_code} {answer.text}"
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        return f"{told}: {answer.status_code}: " + "; ".join(str(each) for each in group.exceptions)
    return ""


def _path_names(operation: Any) -> list[str]:
    return [parameter.name for parameter in operation.path_parameters]


def _things(url: str) -> Iterator[tuple[str, str]]:
    """Make one of each, and yield the parameter of a path with the id that stands for it."""
    with httpx.Client(base_url=url, timeout=ANSWER_SECONDS_MAX) as http:
        block = {"label": "human", "value": "Bo"}
        agent = _made(http, "/v1/agents", {"model": "kelpie/echo", "memory_blocks": [block]})
        tool = {"source_code": "def f(): ...", "json_schema": {"name": f"f{agent['id'][-8:]}", "parameters": {}}}
        turn = _made(http, f"/v1/agents/{agent['id']}/messages", {"messages": [{"role": "user", "content": "hi"}]})
        yield "agent_id", agent["id"]
        yield "block_id", agent["blocks"][0]["id"]
        yield "block_label", "human"
        yield "message_id", turn["messages"][0]["id"]
        yield "run_id", turn["usage"]["run_ids"][0]
        yield "step_id", turn["messages"][0]["step_id"]
        yield "conversation_id", _made(http, f"/v1/conversations?agent_id={agent['id']}", {})["id"]
        yield "tool_id", _made(http, "/v1/tools", tool)["id"]
        yield "tool_name", agent["tools"][0]["name"]


def _made(http: httpx.Client, path: str, body: object) -> dict[str, Any]:
    made: dict[str, Any] = http.post(path, json=body).raise_for_status().json()
    return made


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(fuzz(sys.argv[1], int(sys.argv[2])))))
