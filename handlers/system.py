"""REST: what a client needs to know before it has a credential."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from handlers.http import Call


async def config(call: Call[None]) -> dict[str, Any]:
    """Answer whether a credential is needed, and which version this is."""
    return {"requiresAuth": call.ctx.policy.requires_credentials, "version": version("parley")}
