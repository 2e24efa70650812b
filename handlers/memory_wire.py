"""An agent's memories in elizaOS's words, and the rooms that they are of."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from handlers import bylines
from handlers.parsing import Body
from handlers.wire import server_ids, spelled
from rooms.rows import Message
from rooms.rules import Content, Label, Metadata, Uuid
from rooms.tables import Channel

TABLE = "messages"  # the only table of memories that there is


class CreateRoom(Body):
    """A channel with the agent in it; a DM is with whoever creates it."""

    name: Label
    type: Label = "GROUP"
    metadata: Metadata = Field(default_factory=dict)
    messageServerId: Uuid | None = spelled(
        "messageServerId", "message_server_id", "serverId", "server_id", "worldId"
    )


def _text_of(content: object) -> object:
    """Return the text of a memory's content; nothing else of it can be changed."""
    return content.get("text") if isinstance(content, dict) else content


class ChangeMemory(Body):
    """What a memory is to say instead: as a text, or as ``{text}``."""

    content: Annotated[Content, BeforeValidator(_text_of)]


class Memory(BaseModel):
    """Something that was said in a room of an agent's; times are epoch milliseconds."""

    id: str
    entityId: str = Field(description="who said it")
    agentId: str
    roomId: str
    worldId: str
    type: str
    content: dict[str, Any]
    createdAt: int
    updatedAt: int
    unique: bool
    metadata: dict[str, Any]


class Memories(BaseModel):
    """What was said, the newest first, where each client looks for it."""

    success: bool
    memories: list[Memory]
    data: list[Memory]


class Room(BaseModel):
    """A channel of an agent's; times are epoch milliseconds."""

    id: str
    agentId: str
    name: str
    type: str
    source: str
    channelId: str
    worldId: str
    messageServerId: str
    createdAt: int
    updatedAt: int
    metadata: dict[str, Any]


class Rooms(BaseModel):
    """The channels of an agent's, the one in which something happened last first."""

    rooms: list[Room]


class ChangedMemory(Memory):
    """The memory that was changed, as it is now."""

    message: str


class Cleared(BaseModel):
    """That all memories are no more, and how many these were."""

    deleted: int
    message: str


class Forgotten(BaseModel):
    """That a memory is no more."""

    success: bool
    message: str


def memory(message: Message, agent_id: str) -> dict[str, Any]:
    """Return what was said as a memory of the agent's."""
    told = bylines.metadata(message)
    content = {
        "text": message.content,
        "source": message.source_type,
        **({"inReplyTo": message.parent_id} if message.parent_id else {}),
        **{word: told[word] for word in ("thought", "actions", "attachments") if told.get(word)},
    }
    return {
        "id": message.id,
        "entityId": message.author_id,
        "agentId": agent_id,
        "roomId": message.channel_id,
        "worldId": message.server_id,
        "type": TABLE,
        "content": content,
        "createdAt": message.created_at,
        "updatedAt": message.updated_at,
        "unique": True,
        "metadata": {**told, "type": "message"},
    }


def room(channel: Channel, agent_id: str) -> dict[str, Any]:
    """Return a channel as a room of the agent's."""
    return {
        "id": channel.id,
        "agentId": agent_id,
        "name": channel.name,
        "type": channel.type,
        "source": channel.source_type or "parley",
        "channelId": channel.id,
        "worldId": channel.server_id,
        **server_ids(channel.server_id),
        "createdAt": channel.created_at,
        "updatedAt": channel.updated_at,
        "metadata": channel.details,
    }
