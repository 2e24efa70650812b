"""What an empty database gets: a server, a channel, and a way in for its owner."""

from __future__ import annotations

from dataclasses import dataclass

from rooms import channels, keys, servers
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.keys import KeyDraft
from rooms.principals import ALL_SCOPES, Kind, Principal
from rooms.rules import DEFAULT_SERVER_ID

GENERAL = "general"
# Known beforehand, so that the first request anybody tries can be copied from the documentation.
GENERAL_ID = "00000000-0000-0000-0000-000000000001"
OWNER_ID = "owner"
OPERATOR = Principal("operator", Kind.SERVICE, ALL_SCOPES)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is shown to the operator, once: a service key, and the code of the sign-in link."""

    service_key: str
    sign_in_code: str


async def provision(ctx: Context) -> Welcome | None:
    """Set an empty database up; return None if it was not empty."""
    if not await servers.ensure_default(ctx):
        return None
    await channels.create(
        ctx,
        ChannelDraft(
            principal=Principal(OWNER_ID, Kind.USER),
            server_id=DEFAULT_SERVER_ID,
            name=GENERAL,
            type="text",
            topic="Everybody is here",
            unique=True,
            joinable=True,
            id=GENERAL_ID,
        ),
    )
    service = await keys.create(ctx, KeyDraft(Kind.SERVICE, "first-start", "first-start", ALL_SCOPES))
    return Welcome(service.secret, await keys.create_sign_in_code(ctx, OWNER_ID))
