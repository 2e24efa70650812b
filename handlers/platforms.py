"""REST: the platforms on which agents answer, and what was sent there."""

from __future__ import annotations

from typing import Any

from handlers import parsing, platform_wire
from handlers.http import Call
from rooms import platforms, replies
from rooms.outbox import State
from rooms.platforms import Change, PlatformDraft


async def create(call: Call[platform_wire.CreatePlatform]) -> dict[str, Any]:
    """Connect a platform."""
    body = call.body
    draft = PlatformDraft(call.principal, body.kind, body.agent_id, body.secrets, body.api_url)
    return platform_wire.platform(await platforms.create(call.ctx, draft))


async def list_page(call: Call[None]) -> dict[str, Any]:
    """Answer which platforms there are."""
    before = parsing.name(call.query, "before")
    found = await platforms.list_page(call.ctx, call.principal, before, parsing.page_size(call.query))
    return {"platforms": [platform_wire.platform(platform) for platform in found]}


async def get(call: Call[None]) -> dict[str, Any]:
    """Answer a platform."""
    return platform_wire.platform(await platforms.require(call.ctx, call.principal, _id(call)))


async def change(call: Call[platform_wire.ChangePlatform]) -> dict[str, Any]:
    """Change what is known of a platform."""
    body = call.body
    wish = Change(call.principal, _id(call), body.agent_id, body.secrets, body.api_url)
    return platform_wire.platform(await platforms.change(call.ctx, wish))


async def remove(call: Call[None]) -> dict[str, Any]:
    """Disconnect a platform, and answer what was known of it."""
    return platform_wire.platform(await platforms.remove(call.ctx, call.principal, _id(call)))


async def list_deliveries(call: Call[None]) -> dict[str, Any]:
    """Answer which replies were sent to a platform, or are to be."""
    state, before = call.query.get("state"), parsing.name(call.query, "before")
    found = await replies.list_page(
        call.ctx,
        call.principal,
        _id(call),
        parsing.one_of(State, "state", state) if state is not None else None,
        before,
        parsing.page_size(call.query),
    )
    return {"deliveries": [platform_wire.reply(delivery) for delivery in found]}


async def redeliver(call: Call[None]) -> dict[str, Any]:
    """Send what is missing of a dead reply again."""
    delivery_id = call.path_id("delivery_id")
    return platform_wire.reply(await replies.redeliver(call.ctx, call.principal, _id(call), delivery_id))


def _id(call: Call[Any]) -> str:
    return call.path_id("platform_id")
