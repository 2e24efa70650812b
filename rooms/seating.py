"""What the first message from somewhere brings about: a channel, with an agent and the author in it.

Whoever was removed from it stays out until a manager of the channel adds them.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from rooms import entities, participants, store
from rooms.errors import PermissionDenied, ValidationFailed
from rooms.ids import new_id
from rooms.participants import Newcomer
from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from rooms.store.external import Place
from rooms.store.statements import Pair
from rooms.tables import Channel
from rooms.transaction import Transaction

MAX_NAME = 256


def find_or_open(transaction: Transaction, place: Place) -> Channel:
    """Return the channel that the place is; it is made if need be."""
    connection = transaction.connection
    channel_id = store.external.find(connection, [place]).get(place, "")
    found = store.channels.find(connection, [channel_id]).get(channel_id) if channel_id else None
    return found or _open(transaction, place)


def _open(transaction: Transaction, place: Place) -> Channel:
    about = {"platform": place.platform, "channelId": place.source_id}
    channel = Channel(
        id=new_id(),
        server_id=DEFAULT_SERVER_ID,
        name=f"{place.platform} {place.source_id}"[:MAX_NAME],
        type="GROUP",
        source_type=place.platform,
        source_id=place.source_id,
        details=about | ({"agentId": place.agent_id} if place.agent_id else {}),
        created_at=transaction.now,
        updated_at=transaction.now,
    )
    store.channels.add(transaction.connection, channel.model_dump())
    store.external.put(transaction.connection, place, channel.id, transaction.now)
    return channel


def find_meant(connection: Connection, channel_ids: Collection[str]) -> set[Pair]:
    """Return the agents that may be meant in the channels, by both; where none is named, whoever is there."""
    seats = store.agents.list_seats(connection, channel_ids)
    return {(seat.channel_id, named) for seat in seats for named in ("", seat.agent_id)}


def seat_agent(transaction: Transaction, channel: Channel, named: str) -> None:
    """Let the agent that is meant take part, if there is one, and if it was not removed.

    Raises ValidationFailed if there is none of that name, or it cannot be told which is meant.
    """
    connection = transaction.connection
    if (channel.id, named) in find_meant(connection, [channel.id]):
        return
    agent_id = _require_agent(connection, named) if named else _find_agent(connection)
    if agent_id is not None and not store.participants.list_memberships(connection, [channel.id], agent_id):
        participants.enrol(transaction, channel, Newcomer(agent_id, kind=Kind.AGENT))


def _require_agent(connection: Connection, named: str) -> str:
    # Not NotFound: clients take a 404 of this route for a server that does not have it.
    if store.agents.find(connection, named) is None:
        raise ValidationFailed(
            f"Field 'metadata.agentId' must name an agent; there is none with ID '{named}'"
        )
    return named


def _find_agent(connection: Connection) -> str | None:
    """Return the only active agent, or None if there is none."""
    found = store.agents.list_profiles(connection, 2, viewer=None)
    active = [profile.id for profile in found if profile.is_active]
    if len(active) > 1:
        raise ValidationFailed(
            "Field 'metadata.agentId' is missing, and there is more than one agent: say which one is meant"
        )
    return active[0] if active else None


def seat_author(
    transaction: Transaction, channel: Channel, author_id: str, name: str | None, source_id: str
) -> None:
    """Let the author take part under the platform's name, or id; raise PermissionDenied if it was removed."""
    connection = transaction.connection
    if participants.has_left(connection, channel.id, author_id):
        raise no_longer_there()
    if (channel.id, author_id) not in store.participants.find(connection, [(channel.id, author_id)]):
        participants.enrol(transaction, channel, Newcomer(author_id, name=name or source_id))
    known = store.entities.find(connection, [author_id])[author_id]
    if name is not None and name != known.name:
        entities.set_names(connection, known, name, known.handle)


def no_longer_there() -> PermissionDenied:
    """Return the refusal for what is said for somebody who was in the channel, and is not."""
    return PermissionDenied(
        "Whoever has left a conversation, or was removed from it, can write there again "
        "once somebody who manages it adds them"
    )
