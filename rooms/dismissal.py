"""The end of an agent: it is listed and addressed no longer, and its keys are worthless.

It leaves its channels, but no dm, which has two participants for good. What it has said stays, under its
name. If somebody registers its id again, or makes a key for it, it begins anew.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from rooms import access, agents, participants, store, webhooks
from rooms.agents import Change
from rooms.context import Context
from rooms.errors import NotFound, PermissionDenied
from rooms.participants import DM, Joining
from rooms.principals import Kind, Principal
from rooms.tables import Channel
from rooms.transaction import Transaction, one_by_one


class _Dismissal(NamedTuple):
    principal: Principal
    agent_id: str


async def delete(ctx: Context, principal: Principal, agent_id: str) -> None:
    """End an agent; if that was broken off, the same again goes on with it.

    Raises NotFound unless the principal may know of the agent, PermissionDenied unless it is the agent
    itself, or may change agents.
    """
    await agents.require(ctx, principal, agent_id)
    wish = _Dismissal(principal, agent_id)
    await ctx.journal.append_one(_silence_all, wish)
    channels = await ctx.database.read(lambda connection: _list_channels(connection, agent_id))
    agent = Principal(agent_id, Kind.AGENT)
    leavings = [Joining(agent, channel.id, agent_id) for channel in channels]
    homes = [(channel.server_id,) for channel in channels]
    await ctx.journal.append(_leave_all, leavings, homes)
    await ctx.journal.append_one(_forget_all, wish)


def _list_channels(connection: Connection, agent_id: str) -> list[Channel]:
    places = store.agents.list_places(connection, agent_id)
    return list(store.channels.find(connection, places).values())


def _silence(transaction: Transaction, wish: _Dismissal) -> None:
    """Let nobody act as the agent any more, and address it no longer."""
    if not access.may_act_for(wish.principal, wish.agent_id):
        raise PermissionDenied("Only the agent itself and services with agents:write may end it")
    agents.apply_change(transaction, Change(wish.principal, wish.agent_id, is_active=False))
    store.keys.revoke_all(transaction.connection, wish.agent_id, transaction.now)
    store.servers.remove_agent_everywhere(transaction.connection, wish.agent_id)
    store.vault.withdraw_all(transaction.connection, wish.agent_id)
    webhooks.forget(transaction, wish.agent_id)
    store.platforms.remove_all(transaction.connection, wish.agent_id)


def _leave(transaction: Transaction, leaving: Joining) -> None:
    channel = store.channels.find(transaction.connection, [leaving.channel_id]).get(leaving.channel_id)
    if channel is not None and channel.type.lower() == DM:
        participants.end_work(transaction, channel.id, leaving.entity_id)
        return
    try:
        participants.apply_removal(transaction, leaving)
    except NotFound:
        return  # somebody has removed it meanwhile
    # It was not removed from there: if it begins anew, so does a platform's channel.
    store.external.forget(transaction.connection, leaving.channel_id)


def _forget(transaction: Transaction, wish: _Dismissal) -> None:
    store.agents.delete(transaction.connection, wish.agent_id, transaction.now)


_silence_all = one_by_one(_silence)
_leave_all = one_by_one(_leave)
_forget_all = one_by_one(_forget)
