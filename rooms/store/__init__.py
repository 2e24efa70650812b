"""Every SQL statement, as a function of a connection; no rule of the domain stands here.

One module for each table. Rows read like the table classes of :mod:`rooms.tables`, whose columns they
carry as attributes. Functions take and return lists where a batch has a use for it.
"""

from rooms.store import (
    agents,
    approvals,
    channels,
    connections,
    deliveries,
    entities,
    external,
    guards,
    idempotency,
    keys,
    log,
    mentions,
    messages,
    mutes,
    participants,
    reactions,
    read_markers,
    runs,
    search,
    secrets,
    servers,
    sessions,
    vault,
    webhooks,
)

__all__ = [
    "agents",
    "approvals",
    "channels",
    "connections",
    "deliveries",
    "entities",
    "external",
    "guards",
    "idempotency",
    "keys",
    "log",
    "mentions",
    "messages",
    "mutes",
    "participants",
    "reactions",
    "read_markers",
    "runs",
    "search",
    "secrets",
    "servers",
    "sessions",
    "vault",
    "webhooks",
]
