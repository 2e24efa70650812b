"""REST: creating, finding, clearing and deleting channels."""

from __future__ import annotations

from typing import Any

from handlers import wire
from handlers.http import Call
from handlers.parsing import BAD_PARAMETERS
from rooms import channel_changes, channels, clearing, guard, servers
from rooms.channel_changes import Change
from rooms.channels import ChannelDraft, Described, DmWish
from rooms.errors import ValidationFailed
from rooms.ids import new_id
from rooms.principals import Kind
from rooms.rules import principal_id
from rooms.tables import Channel

DEFAULT_TYPE = "text"
DEFAULT_ELIZA_TYPE = "GROUP"


async def create(call: Call[wire.CreateChannel]) -> dict[str, Any]:
    """Create a channel; the answer serves readers of ``data.channel`` and of ``data`` alike."""
    body = call.body
    created = await channels.create(
        call.ctx,
        ChannelDraft(
            principal=call.principal,
            server_id=body.serverId,
            name=body.name,
            type=body.type or (DEFAULT_TYPE if body.is_documented_form else DEFAULT_ELIZA_TYPE),
            topic=body.description,
            source_type=body.sourceType,
            source_id=body.sourceId,
            metadata=body.metadata,
            participants=body.participantCentralUserIds or (),
            unique=body.is_documented_form,
            is_apart=body.participantCentralUserIds is not None,
            joinable=body.joinable,
            id=body.id or new_id(),
        ),
    )
    return _view(call, created)


async def find_or_create_dm(call: Call[None]) -> dict[str, Any]:
    """Answer the one dm of a pair, which is made if need be; users and agents need not name themselves."""
    own = call.principal.id if call.principal.kind is not Kind.SERVICE else None
    one = _somebody(call, ("currentUserId", "userId1"), own)
    other = _somebody(call, ("targetUserId", "userId2"))
    server_id = await servers.find_or_default(call.ctx, call.query.get("dmServerId", "").lower())
    dm = await channels.find_or_create_dm(call.ctx, DmWish(call.principal, server_id, one, other))
    return _view(call, dm)


def _somebody(call: Call[None], names: tuple[str, ...], default: str | None = None) -> str:
    text = next((call.query[name] for name in names if call.query.get(name)), default)
    if text is None:
        raise ValidationFailed(f"Required parameter '{names[0]}' is missing", message=BAD_PARAMETERS)
    try:
        return principal_id(text)
    except ValueError as error:
        raise ValidationFailed(f"Parameter '{names[0]}' {error}", message=BAD_PARAMETERS) from error


async def details(call: Call[None]) -> dict[str, Any]:
    """Answer one channel as elizaOS's clients read it: its participants are in the metadata."""
    found = await channels.describe(call.ctx, call.principal, call.path_id("channel_id"))
    return _view_with_participants(call, found)


async def change(call: Call[wire.ChangeChannel]) -> dict[str, Any]:
    """Change what a channel is, and answer it as it is now."""
    body = call.body
    wish = Change(
        call.principal,
        call.path_id("channel_id"),
        body.name,
        body.description,
        body.metadata,
        body.participantCentralUserIds,
    )
    return _view_with_participants(call, await channel_changes.change(call.ctx, wish))


async def clear(call: Call[None]) -> None:
    """Erase all that was said in a channel."""
    await clearing.clear(call.ctx, call.principal, call.path_id("channel_id"))


async def delete(call: Call[None]) -> None:
    """Delete a channel."""
    await clearing.delete(call.ctx, call.principal, call.path_id("channel_id"))


async def list_visible(call: Call[None]) -> dict[str, Any]:
    """Answer the channels of a server that the principal may see, the newest first."""
    found = await channels.list_visible(call.ctx, call.principal, call.path_id("server_id"))
    return {"channels": [wire.channel(channel, call.dialect) for channel in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one channel."""
    found = await channels.require(call.ctx, call.principal, call.path_id("channel_id"))
    pause = await guard.find_pause(call.ctx, found.id)
    return _view(call, found) | {"agents_paused": pause}


def _view_with_participants(call: Call[Any], found: Described) -> dict[str, Any]:
    """Return what elizaOS's client needs to add somebody: it sends back all whom it finds, and one more."""
    view = wire.channel(found.channel, call.dialect)
    view["metadata"] = {**view["metadata"], wire.PARTICIPANTS: found.participants}
    return {**view, "channel": view}


def _view(call: Call[Any], stored: Channel) -> dict[str, Any]:
    view = wire.channel(stored, call.dialect)
    return {**view, "channel": view}
