"""What everybody is called: names, and the handles by which they are mentioned."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, store
from rooms.context import Context
from rooms.errors import ValidationFailed, entity_not_found
from rooms.principals import Kind, Principal, Scope
from rooms.tables import Entity
from rooms.transaction import Transaction, one_by_one


@dataclass(frozen=True, slots=True)
class Renaming:
    """A wish that an entity should be called something else.

    Without a ``name`` it keeps its own, and unless ``has_handle`` its handle, which may be given up.
    """

    principal: Principal
    entity_id: str
    name: str | None = None
    handle: str | None = None
    has_handle: bool = False


async def rename(ctx: Context, wish: Renaming) -> Entity:
    """Give the entity another name or handle, and return it as it is called now.

    Raises PermissionDenied unless the principal is the entity or may name others, NotFound without
    the entity, ValidationFailed if the handle is taken.
    """
    return await ctx.journal.append_one(_rename_all, wish)


def _rename(transaction: Transaction, wish: Renaming) -> Entity:
    entity = _require(transaction, wish)
    handle = wish.handle if wish.has_handle else entity.handle
    set_names(transaction.connection, entity, wish.name or entity.name, handle)
    return store.entities.find(transaction.connection, [wish.entity_id])[wish.entity_id]


def register(transaction: Transaction, entity_id: str, kind: Kind, name: str | None = None) -> None:
    """Add somebody to the registry unless it is there."""
    row = {"id": entity_id, "kind": kind, "name": name or entity_id, "created_at": transaction.now}
    store.entities.add(transaction.connection, [row])


def set_names(connection: Connection, entity: Entity, name: str, handle: str | None) -> None:
    """Give the entity this name and handle; raise ValidationFailed if the handle is somebody else's."""
    if handle is not None and handle != entity.handle:
        _require_free(connection, handle, entity.id)
    store.entities.change(connection, entity.id, name=name, handle=handle)


def _require(transaction: Transaction, wish: Renaming) -> Entity:
    """Return who is meant; whoever names itself is registered by that."""
    principal = wish.principal
    if wish.entity_id == principal.id:
        register(transaction, principal.id, principal.kind)
    else:
        access.require_scope(principal, Scope.ENTITIES_WRITE)
    found = store.entities.find(transaction.connection, [wish.entity_id]).get(wish.entity_id)
    if found is None:
        raise entity_not_found(wish.entity_id)
    return found


def _require_free(connection: Connection, handle: str, entity_id: str) -> None:
    if store.entities.is_taken(connection, handle, entity_id):
        raise ValidationFailed(
            f"Field 'handle' must be nobody else's handle or id, without regard to case; '{handle}' is taken"
        )


_rename_all = one_by_one(_rename)
