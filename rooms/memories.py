"""What elizaOS calls an agent's memories: what was said in the channels that the agent takes part in.

Nobody reads more of it than of the channels themselves. What an agent knows besides is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from rooms import access, agents, channels, clearing, edits, history, servers, store
from rooms.access import Standing
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.edits import Edit, Target
from rooms.errors import NotFound, message_not_found
from rooms.principals import Principal, Scope
from rooms.rows import Message, Window
from rooms.rules import MAX_LISTED, is_uuid
from rooms.tables import Channel

ROOMS_READ = 20  # of the channels that an agent takes part in: those in which something happened last

_ANY_NUMBER = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A principal asks about an agent."""

    principal: Principal
    agent_id: str


async def list_rooms(ctx: Context, inquiry: Inquiry) -> list[Channel]:
    """Return the agent's channels that the principal may see, the one in which something happened last first.

    Raises NotFound if the principal may not know of the agent.
    """
    found = await ctx.database.read(lambda connection: _standings(connection, inquiry, MAX_LISTED))
    return [standing.channel for standing in found]


async def require_room(ctx: Context, inquiry: Inquiry, channel_id: str) -> Channel:
    """Return a channel of the agent's; raise NotFound if it is none, or not for the principal to see."""
    found = await ctx.database.read(lambda connection: _standing(connection, inquiry, channel_id))
    return found.channel


async def create_room(ctx: Context, inquiry: Inquiry, draft: ChannelDraft) -> Channel:
    """Create a channel with the agent in it; raises what ``channels.create`` does, and NotFound."""
    await agents.require(ctx, inquiry.principal, inquiry.agent_id)
    return await channels.create(ctx, replace(draft, participants=[inquiry.agent_id]))


async def list_newest(
    ctx: Context, inquiry: Inquiry, channel_id: str | None, limit: int, before: int | None = None
) -> Sequence[Message]:
    """Return what was said last in one of the agent's channels, or in all of them; the newest first.

    ``before`` is a time in milliseconds. Of all channels the :data:`ROOMS_READ` newest are read.
    """
    window = Window(limit=limit, before=before)

    def read(connection: Connection) -> Sequence[Message]:
        if channel_id is None:
            places = _standings(connection, inquiry, ROOMS_READ)
        else:
            places = [_standing(connection, inquiry, channel_id)]
        found = [message for place in places for message in _page(connection, place, window)]
        found.sort(key=lambda message: (message.created_at, message.seq), reverse=True)
        return history.fit(found[:limit])

    return await ctx.database.read(read)


async def change(ctx: Context, inquiry: Inquiry, message_id: str, content: str) -> Message:
    """Let a message of one of the agent's channels say something else; raises what ``edits.edit`` does."""
    await _require_memory(ctx, inquiry, message_id)
    return await edits.edit(ctx, Edit(Target(inquiry.principal, message_id), content))


async def forget(ctx: Context, inquiry: Inquiry, message_id: str) -> None:
    """Delete a message of one of the agent's channels; raises what ``edits.delete`` does."""
    await _require_memory(ctx, inquiry, message_id)
    await edits.delete(ctx, Target(inquiry.principal, message_id))


async def forget_room(ctx: Context, inquiry: Inquiry, channel_id: str) -> None:
    """Erase all that was said in one of the agent's channels; raises what ``clearing.clear`` does."""
    await require_room(ctx, inquiry, channel_id)
    await clearing.clear(ctx, inquiry.principal, channel_id)


async def forget_all(ctx: Context, inquiry: Inquiry) -> int:
    """Erase all that was said in the agent's channels, and return how many messages that were.

    Raises NotFound if the principal may not know of the agent, and PermissionDenied, before anything is gone,
    unless it manages each of the channels.
    """

    def look_up(connection: Connection) -> list[Channel]:
        agents.look_up(connection, inquiry.principal, inquiry.agent_id)
        found = access.find_standings(
            connection, inquiry.principal, store.agents.list_places(connection, inquiry.agent_id)
        )
        for standing in found.values():
            access.require_management(standing)
        return [standing.channel for standing in found.values()]

    return await _clear(ctx, inquiry.principal, await ctx.database.read(look_up))


async def forget_server(ctx: Context, principal: Principal, server_id: str) -> int:
    """Erase all that was said in the server's channels, and return how many messages that were.

    Raises PermissionDenied unless the principal may read and change every channel, NotFound.
    """
    for scope in (Scope.CHANNELS_WRITE, Scope.MESSAGES_READ):
        access.require_scope(principal, scope)

    def look_up(connection: Connection) -> list[Channel]:
        servers.require(connection, server_id)
        return store.channels.list_all(connection, server_id, _ANY_NUMBER)

    return await _clear(ctx, principal, await ctx.database.read(look_up))


async def _clear(ctx: Context, principal: Principal, rooms: Sequence[Channel]) -> int:
    for room in rooms:
        await clearing.clear(ctx, principal, room.id)
    return sum(room.message_count for room in rooms)


async def _require_memory(ctx: Context, inquiry: Inquiry, message_id: str) -> None:
    message = await edits.require(ctx, Target(inquiry.principal, message_id))
    try:
        await require_room(ctx, inquiry, message.channel_id)
    except NotFound:
        raise message_not_found(message_id) from None


def _standings(connection: Connection, inquiry: Inquiry, limit: int) -> list[Standing]:
    agents.look_up(connection, inquiry.principal, inquiry.agent_id)
    places = store.agents.list_places(connection, inquiry.agent_id, limit)
    found = access.find_standings(connection, inquiry.principal, places)
    return [found[channel_id] for channel_id in places if channel_id in found]


def _standing(connection: Connection, inquiry: Inquiry, channel_id: str) -> Standing:
    agents.look_up(connection, inquiry.principal, inquiry.agent_id)
    missing = NotFound(f"Agent '{inquiry.agent_id}' is in no room '{channel_id}'", message="Room not found")
    place = (channel_id, inquiry.agent_id)
    if not is_uuid(channel_id) or place not in store.participants.find(connection, [place]):
        raise missing
    standing = access.find_standings(connection, inquiry.principal, [channel_id]).get(channel_id)
    if standing is None:
        raise missing
    return standing


def _page(connection: Connection, place: Standing, window: Window) -> list[Message]:
    return store.messages.list_page(connection, place.channel.id, access.visible(place), window)
