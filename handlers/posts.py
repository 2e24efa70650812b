"""REST: what elizaOS's clients say in a channel."""

from __future__ import annotations

from typing import Any

from handlers import post_wire, replies, wire
from handlers.http import Call
from handlers.messages import required_server
from handlers.wire import Dialect
from rooms import opening, rules
from rooms.bylines import DISPLAY_NAME
from rooms.drafts import Draft, id_for
from rooms.errors import ValidationFailed
from rooms.principals import Kind

CREATED_BY = "gui_auto_creation"


async def post(call: Call[post_wire.Post]) -> Any:
    """Store the message, and answer it: at once, with the first agent's reply, or as a stream of that."""
    wish = replies.read_wish(call, call.body, call.body.metadata)
    draft = _draft(call)
    home = draft.server_id or rules.DEFAULT_SERVER_ID
    message = (await opening.submit(call.ctx, draft, home, CREATED_BY)).message

    def answer(told: dict[str, Any]) -> dict[str, Any]:
        return {"success": True, **told, "data": {**wire.message(message, Dialect.ELIZA), **told}}

    return await replies.follow(call, wish, message, answer)


def _draft(call: Call[post_wire.Post]) -> Draft:
    body, principal = call.body, call.principal
    if body.author_id is None and principal.kind is Kind.SERVICE:
        raise ValidationFailed(
            "Required field 'author_id' is missing; the header X-Entity-Id may say it as well"
        )
    channel_id = call.path_id("channel_id")
    key = rules.idempotency_key(body.messageId)
    return Draft(
        principal=principal,
        channel_id=channel_id,
        author_id=body.author_id or principal.id,
        content=body.content,
        source_type=body.source_type or post_wire.DEFAULT_SOURCE,
        server_id=required_server(body.server_id, None, channel_id),
        parent_id=body.in_reply_to_message_id,
        raw_message=body.raw_message,
        metadata=_named(body.metadata),
        attachments=rules.as_stored(body.attachments),
        key=key,
        id=id_for(key),
    )


def _named(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata with the author's name where it is looked for; elizaOS's server shows it."""
    name = metadata.get("user_display_name")
    return {DISPLAY_NAME: name, **metadata} if isinstance(name, str) and name else metadata
