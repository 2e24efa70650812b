"""The published contract of webhooks: what requests must look like, and what answers look like."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from handlers.parsing import Body
from rooms.reach import MAX_URL
from rooms.rules import Description
from rooms.run_tables import Delivery as DeliveryRow
from rooms.run_tables import Webhook as WebhookRow


class PutWebhook(Body):
    """Where an agent's runs are to be sent."""

    url: Annotated[Description, Field(max_length=MAX_URL)]


class Webhook(BaseModel):
    """Where an agent's runs are sent."""

    agent_id: str
    url: str
    created_at: int = Field(description="epoch milliseconds")


class NewWebhook(Webhook):
    """A webhook with the secret that its requests are signed with, which is shown this once."""

    secret: str


class Delivery(BaseModel):
    """A run on its way to a webhook; times are epoch milliseconds."""

    id: str = Field(description="the webhook-id of its requests, where they have one")
    agent_id: str
    run_id: str
    state: str
    attempts: int
    error: str | None = Field(description="of the last attempt")
    created_at: int
    due_at: int | None = Field(None, description="when it is tried next; missing once it is not")


class Deliveries(BaseModel):
    """Deliveries, the newest first."""

    deliveries: list[Delivery]


def webhook(stored: WebhookRow) -> dict[str, Any]:
    """Return the webhook without its secret."""
    return {"agent_id": stored.agent_id, "url": stored.url, "created_at": stored.created_at}


def delivery(stored: DeliveryRow) -> dict[str, Any]:
    """Return the delivery."""
    due = {} if stored.due_at is None else {"due_at": stored.due_at}
    return {
        "id": stored.id,
        "agent_id": stored.agent_id,
        "run_id": stored.run_id,
        "state": stored.state,
        "attempts": stored.attempts,
        "error": stored.error,
        "created_at": stored.created_at,
        **due,
    }
