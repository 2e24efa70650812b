"""Agents in elizaOS's words: what its clients send of them, and what they are answered."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from handlers.parsing import Body
from rooms import rules
from rooms.characters import Character
from rooms.rows import Profile
from rooms.rules import Description, Label, PrincipalId

# Of a character, what is Parley's to say.
_OWN = frozenset({"status", "enabled", "createdAt", "updatedAt", "characterName"})
_SECRETS = "secrets"
# What elizaOS says of every agent, whatever its character leaves unsaid.
_LISTS = ("plugins", "topics", "adjectives", "knowledge", "messageExamples", "postExamples")
_UNSAID: dict[str, Any] = {"username": "", "style": {}, **{word: [] for word in _LISTS}}


def _one_text(value: object) -> object:
    """Return a bio of several lines as one text."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value


def _without_secrets(said: dict[str, Any], place: str) -> dict[str, Any]:
    if said.get(_SECRETS):
        raise ValueError(
            f"Field '{place}' must be empty: Parley runs no agents, and keeps no secrets of a character"
        )
    return {name: value for name, value in said.items() if name != _SECRETS}


class ChangeCharacter(Body):
    """What is to be said of an agent from now on, in any of a character's fields."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    name: Label | None = None
    bio: Annotated[Description | None, BeforeValidator(_one_text)] = None
    settings: Annotated[dict[str, Any], AfterValidator(rules.character)] = Field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that Parley keeps as they are."""
        return self.model_extra or {}

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        extra = self.__pydantic_extra__ or {}
        kept = _without_secrets(extra, _SECRETS)
        self.__pydantic_extra__ = {
            name: value for name, value in kept.items() if name not in _OWN and name != "id"
        }
        self.settings = _without_secrets(self.settings, f"settings.{_SECRETS}")
        try:
            rules.character(self.fields)
        except ValueError as error:
            raise ValueError(f"The character {error}") from error
        return self


class NewCharacter(ChangeCharacter):
    """An agent that is to be registered."""

    id: PrincipalId | None = None
    name: Label


class CreateAgent(Body):
    """An agent that is to be registered, in one of the forms that elizaOS's clients use."""

    characterJson: NewCharacter | None = None
    agent: NewCharacter | None = None
    character: NewCharacter | None = None
    characterPath: Any = None

    @property
    def wanted(self) -> NewCharacter:
        """What the agent is to be."""
        found = self.characterJson or self.agent or self.character
        if found is None:
            raise AssertionError("one of them is there")  # it was checked
        return found

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if self.characterPath is not None:
            raise ValueError(
                "Field 'characterPath' must be left out: Parley reads no files for its clients; send "
                "what is in it as 'characterJson'"
            )
        if not (self.characterJson or self.agent or self.character):
            raise ValueError("Required field 'characterJson' is missing")
        return self


class AgentLine(BaseModel):
    """An agent in a list."""

    id: str
    name: str
    characterName: str
    bio: str
    status: str = Field(description="active or inactive")


class AgentLines(BaseModel):
    """Agents: the active ones first, then by name."""

    agents: list[AgentLine]


class Agent(BaseModel):
    """An agent with its character, of which others than itself and services see name, bio and status."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str
    bio: str | list[str]
    status: str
    enabled: bool
    settings: dict[str, Any]
    plugins: list[Any]
    createdAt: int
    updatedAt: int


class CreatedAgent(Agent):
    """The agent that was registered, where each client looks for it."""

    character: Agent


class Lifecycle(BaseModel):
    """Whether an agent is addressed."""

    id: str
    name: str
    status: str
    message: str


class Panels(RootModel[list[Any]]):
    """The pages that an agent brings along: none, since Parley runs no plugins."""


def line(profile: Profile) -> dict[str, Any]:
    """Return an agent for a list."""
    return {
        "id": profile.id,
        "name": profile.name,
        "characterName": profile.name,
        "bio": profile.bio,
        "status": status(profile),
    }


def agent(found: Character) -> dict[str, Any]:
    """Return an agent with its character."""
    profile = found.profile
    lines = profile.bio.split("\n")
    return {
        **_UNSAID,
        **found.fields,
        "id": profile.id,
        "name": profile.name,
        "handle": profile.handle,
        "bio": lines if len(lines) > 1 else profile.bio,
        "settings": profile.settings or {},
        "status": status(profile),
        "enabled": profile.is_active,
        "createdAt": profile.created_at,
        "updatedAt": profile.updated_at,
    }


def status(profile: Profile) -> str:
    """Return elizaOS's word for whether the agent is addressed."""
    return "active" if profile.is_active else "inactive"
