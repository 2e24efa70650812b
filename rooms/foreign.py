"""What another server has stored, as it is found there, and what becomes of it when it is taken over."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from rooms import rules
from rooms.rules import Content, Description, Label, PrincipalId, RawMessage, Uuid

_BY_AGENTS = frozenset({"agent_response", "agent_action"})
_NAME_CUT = f"Its name was cut: it may have {rules.MAX_LABEL} characters, and no control characters"
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(rules.Metadata)
_RAW_MESSAGE: TypeAdapter[dict[str, Any]] = TypeAdapter(RawMessage)

Moment = Annotated[int, Field(ge=0, lt=2**53)]  # epoch milliseconds


class Fate(enum.Enum):
    """What became of something that was found."""

    ADDED = "added"
    KNOWN = "there already"
    REFUSED = "not taken"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of something, and in sentences what of it was not taken, and why."""

    fate: Fate
    remarks: tuple[str, ...] = ()


class Found(BaseModel):
    """Something that the other server has stored."""

    id: Uuid
    metadata: Any = None
    created_at: Moment
    updated_at: Moment


class FoundAgent(BaseModel):
    """An agent, with the ids of the message servers that it was added to; of some only the id is known."""

    id: Uuid
    name: str = ""
    server_ids: Sequence[str] = ()


class FoundServer(Found):
    """A message server."""

    name: str
    source_type: Label
    source_id: Label | None = None


class FoundChannel(Found):
    """A channel, with the ids of its participants."""

    server_id: Uuid
    name: str
    type: Label
    topic: Description | None = None
    source_type: Label | None = None
    source_id: Label | None = None
    participants: Sequence[str] = ()


class FoundMessage(Found):
    """A message."""

    channel_id: Uuid
    author_id: PrincipalId
    content: Content
    raw_message: Any = None
    parent_id: str | None = None
    source_type: Label | None = None
    source_id: Label | None = None

    @property
    def is_agents(self) -> bool:
        """Tell whether an agent has said it, as far as the message itself says so."""
        told = self.metadata if isinstance(self.metadata, dict) else {}
        return self.source_type in _BY_AGENTS or told.get("isAgent") is True or "agentName" in told


def sentence(error: ValidationError) -> str:
    """Return what is wrong with something that was found."""
    first = error.errors(include_url=False, include_input=False)[0]
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"Field '{first['loc'][0]}': {said[0].lower()}{said[1:]}"


def name(found: FoundServer | FoundChannel) -> tuple[str, tuple[str, ...]]:
    """Return its name as far as it may be kept, or its id, and whether that is all of it."""
    kept = rules.label(found.name) or found.id
    return kept, () if kept == found.name else (_NAME_CUT,)


def metadata(found: Found) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return its metadata as they may be kept, or none and why."""
    return _document(_METADATA, "metadata", found.metadata)


def raw_message(found: FoundMessage) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return its raw message as it may be kept, or an empty one and why."""
    return _document(_RAW_MESSAGE, "raw_message", found.raw_message)


def _document(
    adapter: TypeAdapter[dict[str, Any]], field: str, value: object
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a JSON object as it may be kept, or an empty one and why."""
    try:
        return adapter.validate_python(value, strict=True), ()
    except ValidationError as error:
        said = str(error.errors(include_url=False, include_input=False)[0]["msg"])
        return {}, (f"Its {field} was left out: {said.removeprefix('Value error, ')}",)
