"""Tokens: who a request speaks for. Written as TOKEN, TOKEN=org-<uuid4> or TOKEN=org-<uuid4>/user-<uuid4>.

The comparison takes the same time whichever token is given: every token is compared, each as a digest of fixed length.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable

import attrs

from kelpie_core.ids import is_id
from kelpie_core.model.actor import Actor

TOKEN_CHARS_MIN = 8
_FORM = re.compile(r"(?P<token>\S+?)(?:=(?P<organization>org-[^/\s=]*)(?:/(?P<user>\S*))?)?")


@attrs.frozen
class Token:
    """One token, as its digest, and in whose name it speaks. The token itself is not kept."""

    digest: bytes = attrs.field(repr=False)
    actor: Actor


def read_token(text: str) -> Token:
    """Return the token that a setting writes; raise ValueError, which never shows the token."""
    found = _FORM.fullmatch(text)
    if found is None or len(found["token"]) < TOKEN_CHARS_MIN:
        raise ValueError(f"a token has at least {TOKEN_CHARS_MIN} characters and no space")
    named = {"organization_id": ("org", found["organization"]), "user_id": ("user", found["user"])}
    for prefix, value in named.values():
        if value is not None and not is_id(prefix, value):
            raise ValueError(f"a token is written TOKEN, TOKEN=org-<uuid4> or TOKEN=org-<uuid4>/user-<uuid4>: {prefix}")
    given = {name: value for name, (_, value) in named.items() if value is not None}
    return Token(_digest(found["token"]), Actor(**given))


def find_actor(tokens: Iterable[Token], given: str) -> Actor | None:
    """Return in whose name a token speaks, None if nobody has it."""
    digest, found = _digest(given), None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token.actor
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
