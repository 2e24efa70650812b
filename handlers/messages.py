"""REST: sending messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from handlers import envelope, parsing, reactions, wire
from handlers.http import Call
from handlers.limits import Limits
from rooms import messages, rules
from rooms.context import Context
from rooms.drafts import AGENT_RESPONSE, Draft, Submitted, id_for
from rooms.errors import ParleyError, ValidationFailed, channel_not_found
from rooms.principals import Kind, Principal


async def submit(call: Call[wire.SubmitMessage]) -> dict[str, Any]:
    """Store one message and answer it as stored."""
    submitted = await messages.submit(call.ctx, draft(call.principal, call.body))
    (stored,) = await _view(call, [submitted])
    return stored


async def submit_batch(call: Call[wire.SubmitBatch]) -> list[dict[str, Any]]:
    """Store up to 100 messages; each item is answered by an envelope of its own."""

    async def view(stored: Sequence[Submitted]) -> list[dict[str, Any]]:
        return await _view(call, stored)

    return await submit_each(call.ctx, call.gate.limits, call.principal, call.body, view)


async def submit_each(
    ctx: Context,
    limits: Limits,
    principal: Principal,
    batch: wire.SubmitBatch,
    view: Callable[[Sequence[Submitted]], Awaitable[list[Any]]],
    server_id: str | None = None,
) -> list[dict[str, Any]]:
    """Check each item by itself, store the good ones together, and answer all in their places."""
    checked = [await _check_item(limits, principal, item, server_id) for item in batch.messages]
    good = [outcome for outcome in checked if isinstance(outcome, Draft)]
    stored = iter(await messages.submit_many(ctx, good))
    outcomes = [next(stored) if isinstance(outcome, Draft) else outcome for outcome in checked]
    views = iter(await view([outcome for outcome in outcomes if isinstance(outcome, Submitted)]))
    return [
        envelope.failure(outcome) if isinstance(outcome, ParleyError) else envelope.success(next(views))
        for outcome in outcomes
    ]


async def _view(call: Call[Any], stored: Sequence[Submitted]) -> list[dict[str, Any]]:
    """Return stored messages for REST; only those that were stored before may have reactions."""
    if all(submitted.encoded is not None for submitted in stored):
        return [wire.message(submitted.message, call.dialect) for submitted in stored]
    return await reactions.view(call, [submitted.message for submitted in stored])


def draft(principal: Principal, body: wire.SubmitMessage, server_id: str | None = None) -> Draft:
    """Return the draft that a submitted body describes; a UUID as messageId becomes the id.

    ``server_id`` is the connection's, over a socket.
    """
    author_id = body.author_id or body.agentId
    if author_id is None and principal.kind is Kind.SERVICE:
        raise ValidationFailed("Required field 'author_id' is missing")
    is_relayed = body.author_id is None and body.agentId not in (None, principal.id)
    is_agents = principal.kind is Kind.AGENT or is_relayed
    default_source = AGENT_RESPONSE if is_agents else "user_message"
    key = rules.idempotency_key(body.messageId)
    return Draft(
        principal=principal,
        channel_id=body.channel_id,
        author_id=author_id or principal.id,
        content=body.content,
        source_type=body.source_type or default_source,
        server_id=required_server(body.server_id, server_id, body.channel_id),
        parent_id=body.in_reply_to_message_id,
        raw_message=body.raw_message,
        metadata=body.metadata,
        attachments=rules.as_stored(body.attachments),
        key=key,
        approval=body.approval.request() if body.approval else None,
        id=id_for(key),
    )


def required_server(stated: str | None, connected: str | None, channel_id: str) -> str | None:
    """Return the server that the channel must belong to, or None if nobody said.

    The default server's id says no more than nothing: the documented examples send it with every
    channel. Raises NotFound if a client names another server than the one it is connected to.
    """
    if stated == rules.DEFAULT_SERVER_ID:
        stated = None
    if stated and connected and stated != connected:
        raise channel_not_found(channel_id)
    return connected or stated


async def _check_item(
    limits: Limits, principal: Principal, item: object, server_id: str | None
) -> Draft | ParleyError:
    try:
        await limits.charge_write(principal)
        return draft(principal, parsing.parse(wire.SubmitMessage, item), server_id)
    except ParleyError as error:
        return error
