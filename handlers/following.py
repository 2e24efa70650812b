"""Where a client that reads a log over HTTP begins, and what it is shown of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from rooms import channels, replay, servers
from rooms.context import Context
from rooms.cursors import Cursor
from rooms.errors import channel_not_found
from rooms.principals import Principal
from rooms.replay import Placed, Reader, Start
from rooms.rules import is_uuid


class Follower(Reader, Protocol):
    """A client that waits for what comes next in a log.

    It is known until its block ends, and its view kept up to date.
    """

    def __enter__(self) -> Self:
        """Return the follower."""

    def __exit__(self, *_error: object) -> None:
        """Forget it."""

    @property
    def moves(self) -> int:
        """How often the client's participations have let it into channels, or out."""

    @property
    def is_over(self) -> bool:
        """Tell whether the process is about to stop."""

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to read, so long at most; its reader must stand in the present."""

    def ring(self) -> None:
        """Let the client wait no longer."""


class Followers(Protocol):
    """Who waits on this node."""

    def follow(self, principal: Principal, start: Cursor) -> Follower:
        """Know a client from now on."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants to read: a server's log after a cursor, or some of the channels of it."""

    server_id: str
    after: str | None
    only: frozenset[str] | None = None

    def read_cursor(self, ctx: Context) -> Cursor | None:
        """Return where the client was; raise ValidationFailed if that is nowhere in this log."""
        return ctx.cursors.read(self.after).require_server(self.server_id) if self.after else None


# Returns what the reader is to be sent next, and moves its cursor behind that; None in the present.
NextPage = Callable[[Context, Reader], Awaitable[list[Placed] | None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads which part of a log, from where on, and how it is told."""

    principal: Principal
    wish: Wish
    start: Start
    next_page: NextPage = replay.next_page


async def find_start(ctx: Context, principal: Principal, wish: Wish) -> Start:
    """Return where the client begins.

    Raises ValidationFailed for a cursor that was not written for this log, NotFound without the server
    or for a channel that the principal may not see.
    """
    start = await replay.find_start(ctx, wish.server_id, wish.read_cursor(ctx))
    await _require_all(ctx, principal, wish.server_id, wish.only or ())
    return start


async def look_up_view(ctx: Context, follower: Follower, wish: Wish) -> None:
    """Let the follower see what its principal is shown of the log after its cursor."""
    while True:
        moves = follower.moves
        view = await replay.find_view(ctx, follower.principal, wish.server_id, follower.cursor.seq, wish.only)
        # Whoever was added or removed meanwhile: what was found may be older than that.
        if moves == follower.moves:
            follower.view = view
            return


async def _require_all(
    ctx: Context, principal: Principal, server_id: str, channel_ids: Iterable[str]
) -> None:
    for channel_id in channel_ids:
        if not is_uuid(channel_id):
            raise channel_not_found(channel_id)
        await servers.require_channel_of(ctx, server_id, channel_id)
        await channels.require(ctx, principal, channel_id)
