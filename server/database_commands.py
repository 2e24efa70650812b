"""The commands that look after the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from rooms import database, schema, store
from rooms.context import Context
from rooms.rows import LogSummary
from server.app import naming, writing
from server.config import BadSetting, Settings, load
from server.terminal import DataDir, out, run

app = typer.Typer()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Context]:
    """Open the database for one command; a serving process may have it open too."""
    _require_file(settings)
    opened = database.connect(settings.database)
    try:
        with naming(opened):
            is_current = await schema.is_current(opened)
        if not is_current:
            raise BadSetting("The database does not have this version's schema; run 'parley migrate' first")
        async with writing(settings, opened) as (ctx, _):
            yield ctx
    finally:
        await opened.close()


def _require_file(settings: Settings) -> None:
    """Refuse to make an empty database where somebody mistook the folder."""
    path = settings.sqlite_file
    if path is not None and not path.is_file():
        raise BadSetting(f"There is no database at {path}; 'parley serve' makes one")


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database up to this version's schema."""
    run(_migrate(load(data_dir=data_dir)))


async def _migrate(settings: Settings) -> None:
    opened = database.connect(settings.database)
    try:
        with naming(opened):
            await schema.upgrade(opened)
    finally:
        await opened.close()
    out.print("The database has this version's schema.")


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Verify that each server's log is 1..N without holes; exit with 1 if one is not."""
    run(_check(load(data_dir=data_dir)))


async def _check(settings: Settings) -> None:
    async with opened(settings) as ctx:
        summaries = await ctx.database.read(store.log.summarise)
    faults = 0
    for summary in summaries:
        out.print(f"server {summary.server_id}: {_describe(summary)}")
        faults += not summary.is_whole
    if faults:
        raise SystemExit(1)


def _describe(summary: LogSummary) -> str:
    if summary.is_whole:
        return f"{summary.held} events, 1..{summary.server_seq} without holes"
    return (
        f"DAMAGED: the server stands at {summary.server_seq}, its log holds {summary.held} events "
        f"from {summary.first} to {summary.last}, {summary.orphans} of them without their message"
    )
