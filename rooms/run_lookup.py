"""Looking runs up: by their ids, in lists, and by what agents that know no ids of runs say of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import access, edits, runs, store
from rooms.context import Context
from rooms.edits import Target
from rooms.errors import NotFound, run_not_found
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Message, Run
from rooms.rules import is_uuid
from rooms.runs import State
from rooms.store.runs import Wanted

RECENT_RUNS = 50  # of one agent for one author, among which a completed prompt is looked for


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are asked for; ``before`` is the id of the run that the page ends before.

    ``since`` and ``until`` say when they were opened, in epoch milliseconds, and are included.
    """

    channel_id: str | None = None
    agent_id: str | None = None
    states: Collection[State] = ()
    before: str | None = None
    limit: int = 50
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an agent has processed, in place of a run's id: for whom, where, and the text."""

    agent_id: str
    channel_id: str
    user_id: str
    text: str


async def require(ctx: Context, principal: Principal, run_id: str) -> Run:
    """Return the run; raise NotFound if it is absent, or not for the principal to see."""
    return await ctx.database.read(lambda connection: require_visible(connection, principal, run_id))


async def list_of_message(ctx: Context, principal: Principal, message: Message) -> Sequence[Run]:
    """Return the runs that a message which the principal may see has opened."""
    return await list_opened(ctx, principal, message.channel_id, message.id)


async def list_opened(ctx: Context, principal: Principal, channel_id: str, message_id: str) -> Sequence[Run]:
    """Return what :func:`list_of_message` does of a message whose place alone is known."""

    def read(connection: Connection) -> Sequence[Run]:
        standing = access.require_standing(connection, principal, channel_id)
        found = store.runs.list_of_messages(connection, [message_id])
        return [run for run in found if access.may_read(standing, run.seq)]

    return await ctx.database.read(read)


async def list_page(ctx: Context, principal: Principal, wish: Filter) -> Sequence[Run]:
    """Return the newest runs that the principal may see: of one channel, or of its own channels.

    An agent sees its own runs everywhere. Raises NotFound for a channel that it may not see.
    """

    def read(connection: Connection) -> Sequence[Run]:
        wanted = _wanted(connection, principal, wish)
        return store.runs.list_page(connection, wanted, before=wish.before, limit=wish.limit)

    return await ctx.database.read(read)


async def list_counted(ctx: Context, principal: Principal, wish: Filter) -> tuple[Sequence[Run], int]:
    """Return what :func:`list_page` does, and how many runs there are without the bounds of the page."""

    def read(connection: Connection) -> tuple[Sequence[Run], int]:
        wanted = _wanted(connection, principal, wish)
        page = store.runs.list_page(connection, wanted, before=wish.before, limit=wish.limit)
        return page, store.runs.count(connection, wanted)

    return await ctx.database.read(read)


async def require_by_prompt(ctx: Context, principal: Principal, prompt: Prompt) -> Run:
    """Return the run that is meant: the newest with that text, or else the newest.

    Of those that fit, an open one is meant, and of these one that the agent was told of; a text that only a
    run which is over has means that one, so that whoever repeats itself ends nothing else. Raises NotFound
    if there is none, or not for the principal to see.
    """

    def read(connection: Connection) -> Run:
        access.require_standing(connection, principal, prompt.channel_id)
        found = store.runs.list_for(
            connection, prompt.agent_id, prompt.channel_id, prompt.user_id, RECENT_RUNS
        )
        if not found:
            raise NotFound(
                f"Agent '{prompt.agent_id}' has no run for '{prompt.user_id}' in this channel",
                message="Run not found",
            )
        fitting = [run for run, said in found if said == prompt.text] or [run for run, _ in found]
        opened = [run for run in fitting if not runs.is_over(run)]
        return next((run for run in opened if run.awaits is None), next(iter(opened), fitting[0]))

    return await ctx.database.read(read)


async def find_in_channel(ctx: Context, principal: Principal, channel_id: str) -> Run | None:
    """Return the run that an agent is done with which names the channel alone; a service means any agent's.

    That is one that it has just answered, without having said that it is done; or else the newest open one.
    """
    agent_id = principal.id if principal.kind is Kind.AGENT else None
    wish = Filter(channel_id, agent_id, (*runs.OPEN, State.COMPLETED), limit=RECENT_RUNS)
    found = [run for run in await list_page(ctx, principal, wish) if run.awaits is None]
    since = ctx.now() - ctx.policy.queue_ms
    answered = [run for run in found if runs.is_over(run) and run.told_at is None and run.updated_at > since]
    opened = [run for run in found if not runs.is_over(run)]
    return answered[-1] if answered else opened[0] if opened else None


async def find_of_message(ctx: Context, principal: Principal, message_id: str) -> Run | None:
    """Return the run that an agent is done with which names a message alone: its reply, or what it is about.

    A service means any agent's. Of several an open one is meant. Raises NotFound if the message is not for
    the principal to see, and is no reply that is to come.
    """

    def read(connection: Connection) -> Run | None:
        answered = store.runs.find_by_replies(connection, [message_id]).get(message_id)
        if answered is not None:
            return require_visible(connection, principal, answered.id)
        message, _ = edits.locate(connection, Target(principal, message_id))
        found = store.runs.list_of_messages(connection, [message.id])
        own = [run for run in found if access.may_speak_as(principal, run.agent_id)]
        return next((run for run in own if not runs.is_over(run)), own[0] if own else None)

    return await ctx.database.read(read)


def require_visible(connection: Connection, principal: Principal, run_id: str) -> Run:
    """Return the run; raise NotFound if it is absent, or not for the principal to see."""
    missing = run_not_found(run_id)
    run = store.runs.find(connection, [run_id]).get(run_id) if is_uuid(run_id) else None
    if run is None:
        raise missing
    if run.agent_id != principal.id:
        access.require_readable(connection, principal, run.channel_id, run.seq, missing)
    return run


def _wanted(connection: Connection, principal: Principal, wish: Filter) -> Wanted:
    return Wanted(
        channel_ids=None if wish.channel_id is None else [wish.channel_id],
        agent_id=wish.agent_id,
        states=wish.states,
        since=wish.since,
        until=wish.until,
        viewer=_viewer(connection, principal, wish),
    )


def _viewer(connection: Connection, principal: Principal, wish: Filter) -> str | None:
    """Return who must take part in the channels of the runs to be shown them, or None if all may be."""
    if wish.channel_id is not None:
        standing = access.require_standing(connection, principal, wish.channel_id)
        return None if access.visible(standing) == access.EVERYTHING else principal.id
    sees_all = principal.may(Scope.MESSAGES_READ) or wish.agent_id == principal.id
    return None if sees_all else principal.id
