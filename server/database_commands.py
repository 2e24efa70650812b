"""The commands that look after the database."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import URL, make_url

from rooms import checks, database, epochs, schema
from rooms.checks import Finding
from rooms.context import Context
from server import backups
from server.app import alone, naming, writing
from server.config import BadSetting, Settings, load
from server.terminal import DataDir, out, run

app = typer.Typer()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Context]:
    """Open the database for one command; a serving process may have it open too."""
    _require_file(settings)
    store = database.connect(settings.database)
    try:
        with naming(store):
            is_current = await schema.is_current(store)
        if not is_current:
            raise BadSetting("The database does not have this version's schema; run 'parley migrate' first")
        async with writing(settings, store) as (ctx, _):
            yield ctx
    finally:
        await store.close()


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
    store = database.connect(settings.database)
    try:
        with naming(store):
            await schema.upgrade(store)
    finally:
        await store.close()
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


BackupFile = Annotated[Path, typer.Argument(help="The backup's file.", show_default=False)]


@app.command()
def backup(file: BackupFile, data_dir: DataDir = None) -> None:
    """Write the database into a new file, while the server may run, and verify it."""
    settings = load(data_dir=data_dir)
    source = _require_sqlite(settings, file)
    _require_file(settings)
    run(backups.back_up(source, file))
    typer.echo(f"{file} is a sound backup of {file.stat().st_size / 1e6:.1f} MB.")


@app.command()
def restore(
    file: BackupFile,
    replace: Annotated[bool, typer.Option("--replace", help="Keep the old one under another name.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Put a backup in the place of the database; no server may run."""
    run(_restore(load(data_dir=data_dir), file, replace=replace))


async def _restore(settings: Settings, file: Path, *, replace: bool) -> None:
    target = _require_sqlite(settings, file)
    with alone(settings):
        old = await backups.restore(file, target, replace=replace)
    if old:
        typer.echo(f"The old database is kept as {old}.")
    typer.echo(f"{target} is what {file} holds.")


@app.command()
def new_epoch(data_dir: DataDir = None) -> None:
    """Say that the database was restored by other means: clients that come back begin anew."""
    run(_begin_epochs(load(data_dir=data_dir)))


async def _begin_epochs(settings: Settings) -> None:
    _require_file(settings)
    with alone(settings):
        async with opened(settings) as ctx:
            renewed = await ctx.database.write(epochs.renew_all)
    typer.echo(f"Logs that have a new epoch: {renewed}")


def _require_sqlite(settings: Settings, file: Path) -> Path:
    """Return SQLite's file; on PostgreSQL say what its own tools do, and exit with 1."""
    if settings.sqlite_file is not None:
        return settings.sqlite_file
    parsed = make_url(settings.database)
    # Without the password, which the tools ask for.
    where = URL.create("postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database)
    address, name = shlex.quote(where.render_as_string()), shlex.quote(str(file))
    typer.echo(
        "Nothing was done: PostgreSQL has tools of its own. For a backup, while servers may run:\n"
        f"  (umask 077; pg_dump --format=custom --file={name} {address})\n"
        "To restore it, while no server runs:\n"
        f"  pg_restore --clean --if-exists --single-transaction --dbname={address} {name}\n"
        "  parley new-epoch"
    )
    raise SystemExit(1)
