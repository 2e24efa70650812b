"""A server's channels as another platform has them: those that it names are here, under their names there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rooms import access, channel_changes, channels, servers, store
from rooms.channel_changes import Change
from rooms.channels import ChannelDraft
from rooms.context import Context
from rooms.errors import ValidationFailed
from rooms.principals import Principal, Scope
from rooms.transaction import Transaction, one_by_one

STEP = 100  # channels of one commit


class Sourced(NamedTuple):
    """A channel of another platform."""

    source_id: str
    name: str
    type: str


class Synced(NamedTuple):
    """How many channels are as they are there, and how many of them were not before."""

    synced: int
    created: int
    renamed: int


@dataclass(frozen=True, slots=True)
class _Sync:
    principal: Principal
    server_id: str
    source_type: str | None
    wanted: Sequence[Sourced]


async def sync(ctx: Context, principal: Principal, server_id: str, wanted: Sequence[Sourced]) -> Synced:
    """Create those of the channels that the server lacks, and rename those that are called otherwise.

    A channel is known by its source's id. None is deleted, and none changes its type. Raises PermissionDenied
    unless the principal may change channels, NotFound without the server, ValidationFailed for an id that is
    named twice.
    """
    access.require_scope(principal, Scope.CHANNELS_WRITE)
    access.require_scope(principal, Scope.MESSAGES_READ)
    if len({one.source_id for one in wanted}) < len(wanted):
        raise ValidationFailed("Field 'channels' must name each sourceId once")
    server = await servers.require_server(ctx, server_id)
    created = renamed = 0
    for begin in range(0, len(wanted), STEP):
        step = _Sync(principal, server_id, server.source_type, wanted[begin : begin + STEP])
        more_created, more_renamed = await ctx.journal.append_one(_sync_all, step, server_id)
        created, renamed = created + more_created, renamed + more_renamed
    return Synced(len(wanted), created, renamed)


def _sync(transaction: Transaction, step: _Sync) -> tuple[int, int]:
    """Return how many channels were created, and how many renamed."""
    wanted = {one.source_id: one for one in step.wanted}
    known = store.channels.find_by_sources(transaction.connection, step.server_id, wanted.keys())
    renamed = 0
    for source_id, channel in known.items():
        name = wanted[source_id].name
        if channel.name != name:
            channel_changes.apply_change(transaction, Change(step.principal, channel.id, name))
            renamed += 1
    missing = [one for one in step.wanted if one.source_id not in known]
    for one in missing:
        channels.create_within(transaction, _draft(step, one))
    return len(missing), renamed


def _draft(step: _Sync, one: Sourced) -> ChannelDraft:
    return ChannelDraft(
        step.principal,
        step.server_id,
        one.name,
        one.type,
        source_type=step.source_type,
        source_id=one.source_id,
    )


_sync_all = one_by_one(_sync)
