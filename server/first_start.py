"""What an empty database gets: a server, a channel, and a way in for its owner."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import channels, keys, servers, store
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.keys import KeyDraft
from rooms.principals import ALL_SCOPES, Kind, Principal
from rooms.rules import DEFAULT_SERVER_ID

GENERAL = "general"
# Known beforehand, so that the first request anybody tries can be copied from the documentation.
GENERAL_ID = "00000000-0000-0000-0000-000000000001"
OWNER_ID = "owner"
FIRST_KEY = "first-start"
OPERATOR = Principal("operator", Kind.SERVICE, ALL_SCOPES)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is shown to the operator, once: a service key, and the code of the sign-in link."""

    service_key: str
    sign_in_code: str


async def provision(ctx: Context) -> Welcome | None:
    """Set the database up as far as it is not; return None if its operator has a key already.

    Each step looks for itself, so that a start that was interrupted is completed by the next.
    """
    await servers.ensure_default(ctx)
    await _ensure_general(ctx)
    if any(key.name == FIRST_KEY for key in await keys.list_all(ctx)):
        return None
    service = await keys.create(ctx, KeyDraft(Kind.SERVICE, FIRST_KEY, FIRST_KEY, ALL_SCOPES))
    return Welcome(service.secret, await keys.create_sign_in_code(ctx, OWNER_ID))


def _has_general(connection: Connection) -> bool:
    by_name = store.channels.find_by_name(connection, DEFAULT_SERVER_ID, GENERAL)
    return by_name is not None or store.channels.is_taken(connection, GENERAL_ID)


async def _ensure_general(ctx: Context) -> None:
    if await ctx.database.read(_has_general):
        return
    draft = ChannelDraft(
        principal=Principal(OWNER_ID, Kind.USER),
        server_id=DEFAULT_SERVER_ID,
        name=GENERAL,
        type="text",
        topic="Everybody is here",
        unique=True,
        joinable=True,
        id=GENERAL_ID,
    )
    await channels.create(ctx, draft)
