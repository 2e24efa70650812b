"""The published contract of platforms: what requests must look like, and what answers look like."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from handlers import webhook_wire
from handlers.parsing import Body
from rooms.platform_tables import Platform as PlatformRow
from rooms.reach import MAX_URL
from rooms.rules import Description, PrincipalId, SecretName
from rooms.run_tables import Delivery

Kind = Literal["discord", "telegram", "twitter", "webhook"]
_Secrets = Annotated[dict[str, SecretName], Field(max_length=10)]
_Url = Annotated[Description, Field(max_length=MAX_URL)]


class CreatePlatform(Body):
    """A platform that is to be connected."""

    kind: Kind
    agent_id: PrincipalId
    secrets: _Secrets
    api_url: _Url | None = None


class ChangePlatform(Body):
    """What is to be different about a platform."""

    agent_id: PrincipalId | None = None
    secrets: _Secrets | None = None
    api_url: _Url | None = None


class Platform(BaseModel):
    """A platform; times are epoch milliseconds."""

    id: str
    kind: Kind
    agent_id: str
    secrets: dict[str, str] = Field(description="the names of the secrets, by what they are used for")
    api_url: str = Field(description="where replies are sent; empty if nowhere")
    incoming: str = Field(description="the path that the platform sends to")
    created_at: int
    updated_at: int


class Platforms(BaseModel):
    """Platforms, the newest first."""

    platforms: list[Platform]


class ReplyDelivery(webhook_wire.Delivery):
    """A reply on its way to a platform; times are epoch milliseconds."""

    platform_id: str
    attempts: int = Field(description="at the part that is due, or was the last")
    sent: int = Field(description="how many parts have arrived")


class ReplyDeliveries(BaseModel):
    """Replies on their way to a platform, the newest first."""

    deliveries: list[ReplyDelivery]


class Heard(BaseModel):
    """What a platform is answered, in its own form."""

    model_config = ConfigDict(extra="allow")


def platform(stored: PlatformRow) -> dict[str, Any]:
    """Return the platform."""
    return {
        "id": stored.id,
        "kind": stored.kind,
        "agent_id": stored.agent_id,
        "secrets": stored.secrets,
        "api_url": stored.api_url,
        "incoming": f"/api/platforms/{stored.id}/incoming",
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


def reply(stored: Delivery) -> dict[str, Any]:
    """Return the delivery, without the address, which may say what only the platform may know."""
    return {**webhook_wire.delivery(stored), "platform_id": stored.platform_id, "sent": stored.sent}
