"""Who asks, and what an answer says of it."""

import pytest
from letta_client import AuthenticationError, Letta

from kelpie_core.ids import ORGANIZATION_DEFAULT, USER_DEFAULT, uuid4_of
from kelpie_server.auth import token_of
from tests.server.far_sides import World, in_world
from tests.server.server_process import ServerProcess

ORGANIZATION, OTHER = f"org-{uuid4_of(1)}", f"org-{uuid4_of(2)}"
USER, SOMEBODY = f"user-{uuid4_of(3)}", f"user-{uuid4_of(4)}"
TOKENS = ("plain-token", f"token-of-one={ORGANIZATION}", f"token-of-user={ORGANIZATION}/{USER}")


def who(headers, *, tokens=TOKENS, path="/v1/agents"):
    """Return the status of a request with these headers, and in whose name its answer says it was made."""

    async def test(world: World):
        answer = await world.http.get(path, headers=headers)
        return answer.status_code, answer.headers.get("organization_id"), answer.headers.get("user_id")

    return in_world(test, tokens=tokens)


@pytest.mark.parametrize(
    ("headers", "organization_id", "user_id"),
    [
        ({"authorization": "Bearer plain-token"}, ORGANIZATION_DEFAULT, USER_DEFAULT),
        ({"authorization": "bearer  plain-token "}, ORGANIZATION_DEFAULT, USER_DEFAULT),
        ({"x-bare-password": "password plain-token"}, ORGANIZATION_DEFAULT, USER_DEFAULT),
        ({"authorization": "Bearer token-of-one"}, ORGANIZATION, USER_DEFAULT),
        ({"authorization": "Bearer token-of-user"}, ORGANIZATION, USER),
        ({"authorization": "Bearer token-of-user", "user_id": SOMEBODY}, ORGANIZATION, SOMEBODY),
        ({"authorization": "Bearer token-of-one", "organization_id": ORGANIZATION}, ORGANIZATION, USER_DEFAULT),
    ],
)
def test_a_token_opens_its_organization(headers, organization_id, user_id):
    """A token speaks for its organization; a header picks the user in it; the answer says who asked."""
    assert (200, organization_id, user_id) == who(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer nobody-s-token"},
        {"authorization": "Bearer "},
        {"authorization": "plain-token"},
        {"authorization": "Basic plain-token"},
        {"x-bare-password": "plain-token"},
        {"user_id": USER},
    ],
)
@pytest.mark.parametrize("path", ["/v1/agents", "/v1/agents/", "/v1/nothing", "/metrics", "/v1/conversations"])
def test_without_a_token_nothing(headers, path):
    """Without a token that somebody has, the answer is 401, whatever is asked for."""
    assert (401, None, None) == who(headers, path=path)


def test_unauthorized_is_told_as_before():
    """The body is the one that clients know, and the answer says what was expected."""

    async def test(world: World):
        answer = await world.http.get("/v1/agents")
        return answer.json(), answer.headers["www-authenticate"]

    assert ({"detail": "Unauthorized"}, "Bearer") == in_world(test, tokens=TOKENS)


@pytest.mark.parametrize(
    "path", ["/v1/health", "/v1/health/", "/v1/ready", "/openapi.json", "/v1/openapi.json", "/docs", "/docs/"]
)
def test_open_to_everybody(path):
    """Whether the server lives, can serve and what it offers is told without a token."""
    assert (200, None, None) == who({}, path=path)


@pytest.mark.parametrize(("is_open", "status"), [(True, 200), (False, 401)])
def test_metrics_are_open_if_so_set(is_open, status):
    """Metrics need a token unless the operator says otherwise."""

    async def test(world: World):
        return (await world.http.get("/metrics")).status_code

    assert status == in_world(test, tokens=TOKENS, metrics_open=is_open)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"user_id": "user-1"}, 400),
        ({"user_id": ORGANIZATION}, 400),
        ({"organization_id": "org-1"}, 400),
        ({"organization_id": OTHER}, 403),
    ],
)
def test_malformed_and_foreign_ids(headers, status):
    """An id of a wrong form is 400, another organization than the token's 403."""
    assert status == who({"authorization": "Bearer token-of-one", **headers})[0]


def test_without_tokens_everybody_may_ask():
    """Where no token is set, headers pick user and organization, and a token is not looked at."""
    headers = {"authorization": "Bearer any", "user_id": USER, "organization_id": OTHER}
    assert (200, OTHER, USER) == who(headers, tokens=())
    assert (200, ORGANIZATION_DEFAULT, USER_DEFAULT) == who({}, tokens=())


def test_who_made_and_who_changed():
    """What is answered names who made a thing and who changed it last."""

    async def test(world: World):
        made_by = {"authorization": "Bearer token-of-user"}
        changed_by = {**made_by, "user_id": SOMEBODY}
        told = []
        for path, body, change in (
            ("agents", {"name": "Ada"}, {"name": "Bo"}),
            ("blocks", {"label": "l", "value": "v"}, {"value": "w"}),
            ("tools", {"source_code": "def f(): ...", "json_schema": {"name": "f", "parameters": {}}}, {"tags": ["t"]}),
        ):
            made = (await world.http.post(f"/v1/{path}", json=body, headers=made_by)).json()
            changed = (await world.http.patch(f"/v1/{path}/{made['id']}", json=change, headers=changed_by)).json()
            told.append([made["created_by_id"], made["last_updated_by_id"], changed["created_by_id"]])
            assert SOMEBODY == changed["last_updated_by_id"]
        return told

    assert [[USER, USER, USER]] * 3 == in_world(test, tokens=TOKENS)


def test_an_agent_s_answer_names_its_tenant():
    """An agent says whose it is."""

    async def test(world: World):
        made = (await world.http.post("/v1/agents", json={}, headers={"authorization": "Bearer token-of-user"})).json()
        return made["organization_id"], made["user_id"]

    assert (ORGANIZATION, USER) == in_world(test, tokens=TOKENS)


def test_the_bearer_goes_before_the_bare_password():
    """A request with both is of the bearer."""
    assert "a" == token_of({"authorization": "Bearer a", "x-bare-password": "password b"})


def test_the_sdk_and_its_key(tmp_path):
    """The SDK's api_key is the token, over a real socket; a wrong one is its AuthenticationError."""
    server = ServerProcess(tmp_path, environment={"KELPIE_TOKENS": " ".join(TOKENS)})
    try:
        with Letta(base_url=server.url, api_key="token-of-one", max_retries=0) as letta:
            agent = letta.agents.create(name="Ada")
            assert ["Ada"] == [one.name for one in letta.agents.list()]
        with Letta(base_url=server.url, api_key="plain-token", max_retries=0) as letta:
            assert [] == list(letta.agents.list())
        with Letta(base_url=server.url, api_key="nobody-s-token", max_retries=0) as letta:
            assert "ok" == letta.health().status
            with pytest.raises(AuthenticationError):
                letta.agents.retrieve(agent.id)
    finally:
        assert 0 == server.stop(), server.log
