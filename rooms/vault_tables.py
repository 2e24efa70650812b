"""The tables of the vault; see :mod:`rooms.tables` for how ids and times are kept."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel

from rooms.tables import big


class VaultSecret(SQLModel, table=True):
    """A secret of an agent or a platform, encrypted, which is used by its name."""

    __tablename__ = "vault_secrets"

    name: str = Field(primary_key=True)
    sealed: bytes = Field(sa_type=LargeBinary)
    created_at: int = big()
    updated_at: int = big()


class VaultGrant(SQLModel, table=True):
    """That a secret may be used for an agent."""

    __tablename__ = "vault_grants"

    name: str = Field(foreign_key="vault_secrets.name", primary_key=True)
    agent_id: str = Field(foreign_key="entities.id", primary_key=True)
    granted_by: str
    created_at: int = big()


class VaultUse(SQLModel, table=True):
    """The uses of a secret within one minute that were alike in everything but the moment.

    The secret may be gone since: what was done with it stays told.
    """

    __tablename__ = "vault_uses"
    __table_args__ = (
        Index("vault_uses_alike", "name", "agent_id", "purpose", "subject", "outcome", "minute", unique=True),
        Index("vault_uses_by_age", "last_at"),
    )

    id: str = Field(primary_key=True)
    name: str
    agent_id: str
    purpose: str
    subject: str  # the host of a webhook, or the id of a platform
    outcome: str
    minute: int = big()  # since the epoch
    times: int = big()
    first_at: int = big()
    last_at: int = big()
