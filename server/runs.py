"""The command that shows what agents do: a table that is kept up to date, or a line for each change."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from rooms import overview
from rooms.context import Context
from rooms.overview import Filter, Seen
from rooms.runs import OVER, State
from server.config import BadSetting, load
from server.database_commands import opened
from server.terminal import UNCUT, DataDir, run

LOOK_SECONDS = 1.0
MAX_SHOWN = 1_000

COLOURS = {
    State.QUEUED: "yellow",
    State.WORKING: "cyan",
    State.STREAMING: "bright_cyan",
    State.COMPLETED: "green",
    State.IGNORED: "dim",
    State.FAILED: "red",
    State.CANCELLED: "magenta",
    State.TIMED_OUT: "bright_red",
}


def runs(
    once: Annotated[bool, typer.Option("--once", help="Print the table and end.")] = False,
    agent: Annotated[str | None, typer.Option(help="Only the runs of the agent with this id.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only those in the channel of this name or id.")] = None,
    state: Annotated[list[State] | None, typer.Option(help="Only those in this state; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_SHOWN, help="How many, the newest.")] = 20,
    data_dir: DataDir = None,
) -> None:
    """Show what agents do with messages, live: as a table, or where there is no terminal line by line."""
    wish = Filter(agent_id=agent, states=state or (), limit=limit)
    with contextlib.suppress(KeyboardInterrupt):
        run(_show(wish, channel, data_dir, once=once))


async def _show(wish: Filter, channel: str | None, data_dir: Path | None, *, once: bool) -> None:
    console = Console(highlight=False)
    async with opened(load(data_dir=data_dir)) as ctx:
        if channel is not None:
            found = await ctx.database.read(functools.partial(overview.find_channels, text=channel))
            if not found:
                raise BadSetting(f"There is no channel with the name or id '{channel}'")
            wish = replace(wish, channel_ids=found)
        if once:
            # Nothing is cut where it is a program that reads.
            wide = console if console.is_terminal else Console(width=UNCUT)
            wide.print(await _table(ctx, wish))
        elif console.is_terminal:
            await _keep_up_to_date(ctx, wish, console)
        else:
            await _print_changes(ctx, wish)


async def _keep_up_to_date(ctx: Context, wish: Filter, console: Console) -> None:
    with Live(await _table(ctx, wish), console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            live.update(await _table(ctx, wish), refresh=True)


async def _table(ctx: Context, wish: Filter) -> Table:
    found = await ctx.database.read(functools.partial(overview.list_newest, wish=wish))
    return _tabulate(found, ctx.now())


def _tabulate(found: Sequence[Seen], now: int) -> Table:
    table = Table(box=None)
    for heading in ("opened (UTC)", "channel", "agent", "author", "state", "reason"):
        table.add_column(heading, no_wrap=True)
    for heading in ("age", "left"):
        table.add_column(heading, no_wrap=True, justify="right")
    for seen in found:
        table.add_row(*_row(seen, now))
    return table


def _row(seen: Seen, now: int) -> Iterator[str | Text]:
    """Yield the cells of a run; what people have named is no markup."""
    stored, channel = seen
    state = State(stored["state"])
    yield _moment(stored["created_at"])
    yield from map(Text, (channel, stored["agent_id"], stored["user_id"]))
    yield Text(state, style=COLOURS[state])
    yield stored["reason"] or ""
    yield _seconds((stored["updated_at"] if state in OVER else now) - stored["created_at"])
    yield _seconds(stored["due_at"] - now) if "due_at" in stored else ""


async def _print_changes(ctx: Context, wish: Filter) -> None:
    """Print the newest runs as they are, and from then on every change of one."""

    def begin(connection: Connection) -> tuple[overview.Positions, list[Seen]]:
        return overview.find_positions(connection), overview.list_newest(connection, wish)

    after, found = await ctx.database.read(begin)
    shown = {stored["id"]: stored["state"] for stored, _ in found}
    for seen in reversed(found):
        _print_line(seen)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        until = await ctx.database.read(overview.find_positions)
        look = functools.partial(overview.list_changes, wish=wish, after=after, until=until)
        for seen in await ctx.database.read(look):
            # What has changed amid the first look may have been shown by it.
            if shown.pop(seen.run["id"], None) != seen.run["state"]:
                _print_line(seen)
        after = until


def _print_line(seen: Seen) -> None:
    stored, channel = seen
    who = (stored["id"], channel, stored["agent_id"], stored["user_id"])
    parts = (_moment(stored["updated_at"]), *who, stored["state"], stored["reason"] or "")
    typer.echo("  ".join(parts).rstrip())


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.0f} s"
