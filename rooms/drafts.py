"""What somebody wants to say, validated and not stored yet; and what comes of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from rooms.approvals import Request
from rooms.ids import new_id
from rooms.principals import Principal, Scope
from rooms.publishing import Origin
from rooms.rows import AGENT_ACTION, Message, Run
from rooms.rules import is_uuid
from rooms.runs import Reason, State

AGENT_RESPONSE = "agent_response"


def id_for(key: str | None) -> str:
    """Return the id of a message with this idempotency key: a UUID is the id itself."""
    return key if key and is_uuid(key) else new_id()


@dataclass(frozen=True, slots=True)
class Answering:
    """The run that a message is the reply of, and how the run ends with it."""

    run: Run
    state: State = State.COMPLETED
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that was validated and is not stored yet.

    ``key`` is the idempotency key of its author, or of the ``key_owner``. ``server_id`` is the server that
    the channel must belong to; None leaves that to the channel. ``answering`` is the run that it ends, if
    that is known already; ``approval`` is what it asks people for.
    """

    principal: Principal
    channel_id: str
    author_id: str
    content: str
    source_type: str = "user_message"
    server_id: str | None = None
    parent_id: str | None = None
    raw_message: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    key: str | None = None
    key_owner: str | None = None
    origin: Origin | None = None
    answering: Answering | None = None
    approval: Request | None = None
    id: str = field(default_factory=new_id)

    @property
    def is_from_agent(self) -> bool:
        """Tell whether a service relays it as an agent's reply, or as what an agent does."""
        return self.source_type in (AGENT_RESPONSE, AGENT_ACTION) and self.principal.may(Scope.MESSAGES_WRITE)

    @property
    def is_action(self) -> bool:
        """Tell whether it says what an agent does, which is no answer."""
        return self.source_type == AGENT_ACTION

    @property
    def owner(self) -> str:
        """Whose idempotency key it has."""
        return self.key_owner or self.author_id

    def fingerprint(self) -> bytes:
        """Return what must be the same for two drafts of one key to be one message."""
        parts: list[Any] = [self.channel_id, self.content, self.parent_id, self.attachments]
        if self.key_owner is not None:
            parts.append(self.author_id)
        if self.approval is not None:
            parts += [self.approval.options, self.approval.allowed, self.approval.run_id]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


@dataclass(frozen=True, slots=True)
class Submitted:
    """A stored message, and the idempotency key that it was submitted under.

    ``encoded`` is its event's payload as JSON, unless the message was stored by an earlier call.
    """

    message: Message
    key: str | None
    encoded: bytes | None = None
