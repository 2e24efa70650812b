"""REST: creating a channel and looking one up."""

from __future__ import annotations

from typing import Any

from handlers import wire
from handlers.http import Call
from rooms import channels, guard
from rooms.channels import ChannelDraft
from rooms.ids import new_id
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
            joinable=body.joinable,
            id=body.id or new_id(),
        ),
    )
    return _view(call, created)


async def list_visible(call: Call[None]) -> dict[str, Any]:
    """Answer the channels of a server that the principal may see, the newest first."""
    found = await channels.list_visible(call.ctx, call.principal, call.path["server_id"].lower())
    return {"channels": [wire.channel(channel, call.dialect) for channel in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer one channel."""
    found = await channels.require(call.ctx, call.principal, call.path["channel_id"].lower())
    pause = await guard.find_pause(call.ctx, found.id)
    return _view(call, found) | {"agents_paused": pause}


def _view(call: Call[Any], stored: Channel) -> dict[str, Any]:
    view = wire.channel(stored, call.dialect)
    return {**view, "channel": view}
