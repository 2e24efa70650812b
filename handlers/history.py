"""REST: reading what was said, page by page."""

from __future__ import annotations

from typing import Any

from handlers import reactions
from handlers.http import Call
from handlers.parsing import BAD_PARAMETERS, moment, page_size, whole_number
from handlers.wire import Dialect
from rooms import history, payloads
from rooms.cursors import Cursor
from rooms.edits import Target
from rooms.errors import ValidationFailed
from rooms.history import Page
from rooms.rows import Message, Window


async def of_channel(call: Call[None]) -> dict[str, Any]:
    """Answer a page of a channel's history."""
    newest_first = _is_newest_first(call)
    bounds = Bounds(call)
    window = bounds.window(newest_first=newest_first)
    channel_id = call.path_id("channel_id")
    # elizaOS's clients know no cursors: they go back by the time of the oldest message that they have.
    by_time = call.dialect is Dialect.ELIZA and not window.from_the_beginning and window.offset is None
    page = await history.of_channel(
        call.ctx, call.principal, channel_id, window, bounds.positions, goes_on_by_time=by_time
    )
    view = await _view(call, page, window)
    if newest_first:
        view["messages"].reverse()
    return view


async def of_thread(call: Call[None]) -> dict[str, Any]:
    """Answer the message that a thread begins with, and a page of the answers, the oldest first."""
    bounds = Bounds(call)
    window = bounds.window(newest_first=False)
    target = Target(call.principal, call.path_id("message_id"))
    thread = await history.of_thread(call.ctx, target, window, bounds.positions)
    return {"root": await _view_root(call, thread.root), **await _view(call, thread.page, window)}


async def _view(call: Call[None], page: Page, window: Window) -> dict[str, Any]:
    return {
        "messages": await reactions.view(call, page.messages),
        "pagination": {"limit": window.limit, "offset": window.offset or 0, "total": page.total},
        "cursors": {"before": _write(call, page.older), "after": _write(call, page.newer)},
    }


async def _view_root(call: Call[None], root: Message | None) -> dict[str, Any] | None:
    if root is None or root.deleted_at is not None:
        return payloads.tombstone(root) if root else None
    (found,) = await reactions.view(call, [root])
    return found


def _is_newest_first(call: Call[None]) -> bool:
    order = call.query.get("order", "asc" if call.dialect is Dialect.SEED else "desc")
    if order not in ("asc", "desc"):
        raise ValidationFailed("Parameter 'order' must be asc or desc", message=BAD_PARAMETERS)
    return order == "desc"


class Bounds:
    """What ``before`` and ``after`` say: a time each, or a cursor."""

    def __init__(self, call: Call[Any]) -> None:
        self._query = call.query
        self._signer = call.ctx.cursors
        self.positions: list[Cursor] = []
        self._before = self._read("before")
        self._after = self._read("after")

    def window(self, *, newest_first: bool) -> Window:
        """Return the window, with ``limit`` and ``offset``."""
        return Window(
            limit=page_size(self._query),
            offset=whole_number(self._query, "offset", 0) if "offset" in self._query else None,
            newest_first=newest_first,
            before=self._before[0],
            after=self._after[0],
            before_seq=self._before[1],
            after_seq=self._after[1],
        )

    def _read(self, name: str) -> tuple[int | None, int | None]:
        """Return a time in epoch milliseconds, or a seq."""
        text = self._query.get(name)
        if text is None:
            return None, None
        if text.isascii() and text.isdigit():
            return whole_number(self._query, name, 0), None
        if (found := moment(text)) is not None:
            return found, None
        try:
            position = self._signer.read(text)
        except ValidationFailed:
            raise ValidationFailed(
                f"Parameter '{name}' must be epoch milliseconds, an ISO 8601 time or a cursor of this server",
                message=BAD_PARAMETERS,
            ) from None
        self.positions.append(position)
        return None, position.seq


def _write(call: Call[None], cursor: Cursor | None) -> str | None:
    return call.ctx.cursors.write(cursor) if cursor else None
