"""What is said in a session: like anything else that is said in a channel, and it keeps the session alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, history, messages, rules, sessions, store
from rooms.context import Context
from rooms.drafts import Draft, Submitted, id_for
from rooms.errors import ParleyError
from rooms.principals import Principal
from rooms.rows import Interval, Message, Run, Session, Window


@dataclass(frozen=True, slots=True)
class Saying:
    """What the user of a session wants to say; ``key`` is its idempotency key."""

    principal: Principal
    session_id: str
    content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    key: str | None = None


class Said(NamedTuple):
    """The stored message, and the session since then."""

    submitted: Submitted
    session: Session


class Page(NamedTuple):
    """Messages of a session, the newest first, and whether there are more beyond the page."""

    messages: Sequence[Message]
    has_more: bool


async def say(ctx: Context, saying: Saying) -> Said:
    """Store what the user says, and renew the session, in one commit.

    Raises what a submit does, and what ``sessions.require`` does.
    """
    session = await sessions.require(ctx, saying.principal, saying.session_id)
    begun = await messages.begin(ctx, _draft(saying, session))
    going_on = sessions.begin_to_go_on(ctx, saying.principal, session.id)
    stored, renewed = await begun, await going_on
    if isinstance(stored, ParleyError):
        raise stored
    # What was accepted is accepted, even if the session has ended in this moment.
    return Said(stored, session if isinstance(renewed, ParleyError) else renewed)


async def find_reply(ctx: Context, run: Run) -> Message | None:
    """Return what the agent has answered, or None if that is nothing, or nothing any more."""
    found = await ctx.database.read(lambda connection: store.messages.find(connection, [run.reply_id]))
    reply = found.get(run.reply_id)
    return reply if reply is not None and reply.deleted_at is None else None


def _draft(saying: Saying, session: Session) -> Draft:
    key = rules.idempotency_key(saying.key)
    return Draft(
        principal=saying.principal,
        channel_id=session.channel_id,
        author_id=session.user_id,
        content=saying.content,
        metadata={**session.details, "sessionId": session.id, **saying.metadata},
        attachments=saying.attachments,
        key=key,
        id=id_for(key),
    )


async def read(ctx: Context, principal: Principal, session: Session, window: Window) -> Page:
    """Return a page that its first and last time bound: no other message of the session has these.

    So whoever goes on from one of these times, in milliseconds, passes over nothing. Where that leaves
    nothing of a page, it is longer than the window's limit.
    """

    def look_up(connection: Connection) -> Page:
        standing = access.require_standing(connection, principal, session.channel_id)
        reader = _Reader(connection, session.channel_id, access.visible(standing), window)
        return reader.page()

    return await ctx.database.read(look_up)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a channel from where the window begins: from its oldest message, or back from its newest."""

    connection: Connection
    channel_id: str
    visible: Sequence[Interval]
    window: Window

    def page(self) -> Page:
        """Return the page, cut where the time changes."""
        found = self._read(replace(self.window, limit=self.window.limit + 1))
        kept = history.fit(found)[: self.window.limit]
        has_more = len(kept) < len(found)
        if has_more and found[len(kept)].created_at == kept[-1].created_at:
            moment = kept[-1].created_at
            kept = [message for message in kept if message.created_at != moment]
            if not kept:
                kept, has_more = self._read_moment(moment)
        return Page(kept[::-1] if self.window.from_the_beginning else kept, has_more)

    def _read_moment(self, moment: int) -> tuple[list[Message], bool]:
        """Return everything that was said in one millisecond, and whether there is more behind that."""
        kept = self._read(Window(limit=history.MAX_AT_ONCE, after=moment - 1, before=moment + 1))
        beyond = replace(self.window, limit=1)
        if self.window.from_the_beginning:
            beyond = replace(beyond, after=moment)
        else:
            beyond = replace(beyond, before=moment)
        return kept, bool(self._read(beyond))

    def _read(self, window: Window) -> list[Message]:
        found = store.messages.list_page(self.connection, self.channel_id, self.visible, window)
        return found if self.window.from_the_beginning else found[::-1]
