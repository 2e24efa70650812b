"""Who acts: the identity that a credential proves."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """The three kinds of principal."""

    USER = "user"
    AGENT = "agent"
    SERVICE = "service"


class Scope(enum.StrEnum):
    """What a service key may do beyond its own identity."""

    MESSAGES_READ = "messages:read"  # read and join any channel
    MESSAGES_WRITE = "messages:write"  # name any author
    CHANNELS_WRITE = "channels:write"  # create channels, change participants
    SERVERS_WRITE = "servers:write"  # create message servers
    ENTITIES_WRITE = "entities:write"  # give others names and handles
    AGENTS_WRITE = "agents:write"  # register agents, and change what is theirs
    SECRETS_WRITE = "secrets:write"  # keep secrets, say whose they are, and read what was done with them
    LOGS_READ = "logs:read"  # read the server's own log


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with a proven identity.

    ``scopes`` is empty for users and agents with credentials of their own; it is kept when a service
    acts as one of them. ``key_id`` names the API key, and is None for JWTs and in open mode.
    ``expires_at`` is the epoch second from which on a JWT proves nothing any more. One that ``is_guest``
    said nothing of who it is, and goes by an id that was made up for its connection.
    """

    id: str
    kind: Kind
    scopes: frozenset[Scope] = frozenset()
    key_id: str | None = None
    expires_at: float | None = None
    is_guest: bool = False

    @property
    def owner(self) -> str:
        """By what name a connection is found again: guests have none of their own."""
        return "guest" if self.is_guest else self.id

    def may(self, scope: Scope) -> bool:
        """Tell whether the credential carries the scope."""
        return scope in self.scopes

    def is_expired(self, now: float) -> bool:
        """Tell whether the credential proves nothing any more; ``now`` is in epoch seconds."""
        return self.expires_at is not None and now >= self.expires_at
