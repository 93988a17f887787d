"""Tokens, and who they speak for."""

import pytest

from kelpie_core.ids import uuid4_of
from kelpie_core.model.actor import Actor
from kelpie_server.tokens import find_actor, read_token

ORGANIZATION, USER = f"org-{uuid4_of(1)}", f"user-{uuid4_of(2)}"


@pytest.mark.parametrize(
    ("text", "given", "actor"),
    [
        ("abcdefgh", "abcdefgh", Actor()),
        (f"abcdefgh={ORGANIZATION}", "abcdefgh", Actor(organization_id=ORGANIZATION)),
        (f"abcdefgh={ORGANIZATION}/{USER}", "abcdefgh", Actor(organization_id=ORGANIZATION, user_id=USER)),
        ("YWJjZGVmZw==", "YWJjZGVmZw==", Actor()),
        (f"YWJjZGVmZw=={'='}{ORGANIZATION}", "YWJjZGVmZw==", Actor(organization_id=ORGANIZATION)),
        ("pässwörter", "pässwörter", Actor()),
    ],
)
def test_a_token_speaks_for(text, given, actor):
    """A token opens the organization that is written behind it, in the name of the user behind that."""
    assert actor == find_actor([read_token(text)], given)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "with space",
        "abcdefgh=org-1",
        "abcdefgh=org-",
        f"abcdefgh={ORGANIZATION}/",
        f"abcdefgh={ORGANIZATION}/user-1",
        f"short={ORGANIZATION}",
    ],
)
def test_what_is_no_token(text):
    """A token that is short, or whose organization or user is none, is refused without being shown."""
    with pytest.raises(ValueError, match="token") as caught:
        read_token(text)
    assert "abcdefgh" not in str(caught.value)


@pytest.mark.parametrize("given", ["", "abcdefg", "abcdefghi", "ABCDEFGH", f"abcdefgh={ORGANIZATION}", "\udcff"])
def test_what_nobody_has(given):
    """Only the very token opens anything."""
    assert find_actor([read_token("abcdefgh")], given) is None


def test_every_token_is_found():
    """Each of several tokens speaks for its own organization; the token itself is not kept."""
    organizations = [f"org-{uuid4_of(number)}" for number in range(3)]
    tokens = [read_token(f"token-{number}-x={one}") for number, one in enumerate(organizations)]
    found = [find_actor(tokens, f"token-{number}-x") for number in range(3)]
    assert organizations == [actor and actor.organization_id for actor in found]
    assert "token-0" not in repr(tokens)


def test_every_token_is_compared(monkeypatch):
    """The comparison goes on after the one that fits, so that time tells nothing."""
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    tokens = [read_token(f"token-{number}-x") for number in range(3)]
    assert find_actor(tokens, "token-0-x") is not None
    assert 3 == len(compared)
