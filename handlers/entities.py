"""REST: what everybody is called."""

from __future__ import annotations

from typing import Any

from handlers import people_wire
from handlers.http import Call
from rooms import entities, rules
from rooms.entities import Renaming
from rooms.errors import entity_not_found


async def rename_oneself(call: Call[people_wire.Rename]) -> dict[str, Any]:
    """Give the principal another name or handle."""
    return await _rename(call, call.principal.id)


async def rename(call: Call[people_wire.Rename]) -> dict[str, Any]:
    """Give somebody another name or handle."""
    stated = call.path["entity_id"]
    try:
        return await _rename(call, rules.principal_id(stated))
    except ValueError:
        raise entity_not_found(stated) from None


async def _rename(call: Call[people_wire.Rename], entity_id: str) -> dict[str, Any]:
    body = call.body
    has_handle = "handle" in body.model_fields_set
    wish = Renaming(call.principal, entity_id, body.name, body.handle, has_handle)
    renamed = await entities.rename(call.ctx, wish)
    return {"id": renamed.id, "kind": renamed.kind, "name": renamed.name, "handle": renamed.handle}
