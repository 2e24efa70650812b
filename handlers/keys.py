"""REST: exchanging a sign-in code for a credential."""

from __future__ import annotations

from typing import Any

from handlers import wire
from handlers.http import Call
from rooms import keys


async def sign_in(call: Call[wire.SignIn]) -> dict[str, Any]:
    """Answer a new user key for a code that has not been used."""
    made = await keys.exchange_sign_in_code(call.ctx, call.body.code)
    return {"token": made.secret, "userId": made.key.principal_id}
