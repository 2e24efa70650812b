"""The commands that look after the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from rooms import checks, database, schema
from rooms.checks import Finding
from rooms.context import Context
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
    """Verify that each log has no hole and that all counts agree; exit with 1 if something is wrong."""
    run(_check(load(data_dir=data_dir)))


async def _check(settings: Settings) -> None:
    async with opened(settings) as ctx:
        findings = await ctx.database.read(checks.examine)
    for finding in findings:
        _print(finding)
    if any(finding.faults for finding in findings):
        raise SystemExit(1)


def _print(finding: Finding) -> None:
    log = finding.log
    held = f"{log.held} events, {log.floor_seq + 1}..{log.server_seq} without holes"
    out.print(f"server {log.server_id}: {'DAMAGED' if finding.faults else held}")
    for fault in finding.faults:
        out.print(f"  {fault}")
