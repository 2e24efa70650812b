"""REST: what everybody is called."""

from __future__ import annotations

from typing import Any

from handlers import people_wire
from handlers.http import Call
from rooms import entities, rules
from rooms.entities import Renaming
from rooms.errors import entity_not_found
from rooms.tables import Entity


async def get_oneself(call: Call[None]) -> dict[str, Any]:
    """Answer who the principal is, and what it is called; whoever has not been seen yet goes by its id."""
    principal = call.principal
    found = await call.ctx.entities.find(principal.id)
    if found is None:
        return {"id": principal.id, "kind": principal.kind, "name": principal.id, "handle": None}
    return _person(found)


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
    return _person(await entities.rename(call.ctx, wish))


def _person(entity: Entity) -> dict[str, Any]:
    return {"id": entity.id, "kind": entity.kind, "name": entity.name, "handle": entity.handle}
