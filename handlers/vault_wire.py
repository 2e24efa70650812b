"""The published contract of the vault: what requests must look like, and what answers look like."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from handlers.parsing import Body
from rooms.rules import SecretValue
from rooms.vault import Kept
from rooms.vault_tables import VaultUse


class PutSecret(Body):
    """A secret that is to be kept."""

    value: SecretValue


class Secret(BaseModel):
    """A secret that is kept, without what it is; times are epoch milliseconds."""

    name: str
    agents: list[str] = Field(description="for whom it may be used; an agent sees itself alone")
    created_at: int
    updated_at: int


class Secrets(BaseModel):
    """Secrets, in order of their names."""

    secrets: list[Secret]


class SecretUse(BaseModel):
    """Uses of a secret within a minute that were alike; times are epoch milliseconds."""

    id: str
    name: str
    agent_id: str
    purpose: str = Field(description="webhook, incoming, reply or check")
    subject: str = Field(description="where: the host of a webhook, or the id of a platform")
    outcome: str = Field(description="opened, forged, missing, not_granted or unreadable")
    times: int
    first_at: int
    last_at: int


class SecretUses(BaseModel):
    """Uses of secrets, the newest first."""

    uses: list[SecretUse]


def secret(kept: Kept) -> dict[str, Any]:
    """Return what may be told of a secret."""
    found = kept.secret
    return {
        "name": found.name,
        "agents": list(kept.agent_ids),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def use(stored: VaultUse) -> dict[str, Any]:
    """Return the uses."""
    return {name: getattr(stored, name) for name in SecretUse.model_fields}
