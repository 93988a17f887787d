"""Who asks. Every value that belongs to somebody carries the organization; services see only the actor's own."""

import attrs

from kelpie_core.ids import ORGANIZATION_DEFAULT, USER_DEFAULT


@attrs.frozen(kw_only=True)
class Actor:
    """The user and the organization in whose name an operation runs."""

    user_id: str = USER_DEFAULT
    organization_id: str = ORGANIZATION_DEFAULT
