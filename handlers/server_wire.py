"""What requests about message servers and their agents must look like, and their answers."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from handlers import answers
from handlers.parsing import Body
from rooms.rules import MAX_LISTED, Label, PrincipalId


class CurrentServer(BaseModel):
    """The message server that is meant where none is named."""

    messageServerId: str
    serverId: str


class ServerTwice(answers.Server):
    """A message server, as ``data`` and as ``data.server``: clients read either."""

    server: answers.Server


class OldServers(BaseModel):
    """Message servers, the oldest first, as clients before 1.6.5 read them."""

    servers: list[answers.Server]


class AddAgent(Body):
    """An agent that is to be one of a server's, or of a channel's."""

    agentId: PrincipalId


class ServerAgents(BaseModel):
    """The agents of a message server, by id."""

    messageServerId: str
    serverId: str
    agents: list[str]


class ChangedServerAgent(BaseModel):
    """What was done to an agent of a message server."""

    messageServerId: str
    serverId: str
    agentId: str
    message: str


class AgentServers(BaseModel):
    """The message servers of an agent, by id, under both names that clients read."""

    agentId: str
    messageServers: list[str]
    servers: list[str]


class ChannelAgents(BaseModel):
    """Everybody in a channel, as elizaOS answers it, and those of them who are agents."""

    channelId: str
    participants: list[str]
    agents: list[str]


class ChangedChannelAgent(BaseModel):
    """What was done to an agent of a channel."""

    success: bool
    channelId: str
    agentId: str
    message: str


class SourceChannel(Body):
    """A channel of another platform."""

    name: Label
    type: Label
    sourceId: Label


class SyncChannels(Body):
    """All channels of another platform that are to be here, too."""

    channels: Annotated[list[SourceChannel], Field(max_length=MAX_LISTED)]


class Synced(BaseModel):
    """How many channels are as they are there, and how many of them were not before."""

    synced: int
    created: int
    renamed: int
