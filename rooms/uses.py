"""Uses of the vault: a secret is opened for one agent that it is granted to, and each time is told.

Uses of one minute that are alike in everything but the moment are told as one, with how many they
were: a secret that checks each of a thousand requests does not write a thousand lines.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from rooms import access, store
from rooms.context import Context
from rooms.ids import new_id
from rooms.principals import Principal, Scope
from rooms.sealing import Sealer, Unreadable
from rooms.store.vault import UseFilter
from rooms.transaction import Transaction
from rooms.vault_tables import VaultUse

MINUTE_MS = 60_000
OF_WEBHOOKS = "webhook:"  # and the agent; nobody else can choose such a name


class Purpose(enum.StrEnum):
    """What a secret is used for."""

    WEBHOOK = "webhook"  # to sign a run that is sent to its agent's webhook
    INCOMING = "incoming"  # to tell whether what comes in is the platform's
    REPLY = "reply"  # to say an agent's reply on its platform
    CHECK = "check"  # to tell whether it can be what a platform needs it for


class Outcome(enum.StrEnum):
    """What came of the wish to use a secret."""

    OPENED = "opened"
    FORGED = "forged"  # it was opened, and what came in was not signed with it
    MISSING = "missing"  # there is no secret of that name
    NOT_GRANTED = "not_granted"
    UNREADABLE = "unreadable"  # it was encrypted under another PARLEY_SECRET, or there is none


class Use(NamedTuple):
    """What is to be used for whom, and what for.

    ``subject`` is the host of a webhook that is sent to, or the id of a platform.
    """

    name: str
    agent_id: str
    purpose: Purpose
    subject: str


class Opening(NamedTuple):
    """What came of it: the secret's bytes, if it was opened."""

    outcome: Outcome
    value: bytes | None = None

    def __repr__(self) -> str:
        """Return the outcome alone."""
        return f"Opening({self.outcome!r})"


class Noted(NamedTuple):
    """A use with what came of it."""

    use: Use
    outcome: Outcome


def owner(name: str) -> str:
    """Return what a secret of that name is encrypted for.

    Those of webhooks are older than the vault: theirs is the agent. No id of an agent has a space in it.
    """
    return name.removeprefix(OF_WEBHOOKS) if name.startswith(OF_WEBHOOKS) else f"secret {name}"


def peek(connection: Connection, sealer: Sealer | None, use: Use) -> Opening:
    """Open a secret for a use that is told with :func:`tell`, once it is known what came of it."""
    held = store.vault.find_held(connection, use.name, use.agent_id)
    if held is None:
        return Opening(Outcome.MISSING)
    if not held.is_granted:
        return Opening(Outcome.NOT_GRANTED)
    try:
        return Opening(Outcome.OPENED, _unseal(sealer, held.sealed, owner(use.name)))
    except Unreadable:
        return Opening(Outcome.UNREADABLE)


def open_secret(transaction: Transaction, sealer: Sealer | None, use: Use) -> Opening:
    """Open a secret, and tell so in the same commit: nothing is done with it before that stands."""
    opening = peek(transaction.connection, sealer, use)
    _tell_all(transaction, [Noted(use, opening.outcome)])
    return opening


async def tell(ctx: Context, noted: Noted) -> None:
    """Store what came of a use."""
    await ctx.journal.append_one(_tell_all, noted)


async def list_page(
    ctx: Context, principal: Principal, wanted: UseFilter, before: str | None, limit: int
) -> Sequence[VaultUse]:
    """Return the newest uses, or the newest before one; raise PermissionDenied without ``secrets:write``."""
    access.require_scope(principal, Scope.SECRETS_WRITE)
    return await ctx.database.read(
        lambda connection: store.vault.list_uses(connection, wanted, before, limit)
    )


def _unseal(sealer: Sealer | None, sealed: bytes, sealed_for: str) -> bytes:
    if sealer is None:
        raise Unreadable
    return sealer.unseal(sealed, sealed_for)


def _tell_all(transaction: Transaction, told: Sequence[Noted]) -> Sequence[None]:
    """Add to what is told of this minute, with one statement for all that are alike."""
    now = transaction.now
    for (use, outcome), times in Counter(told).items():
        row = {"id": new_id(), **use._asdict(), "outcome": outcome, "times": times}
        store.vault.note(transaction.connection, {**row, "minute": now // MINUTE_MS, "now": now})
    return [None] * len(told)
