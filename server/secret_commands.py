"""The commands for secrets. A secret is asked for, so that it never is part of a command."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rooms import rules, vault
from rooms.vault import Kept
from server.config import BadSetting, Settings, load
from server.database_commands import opened
from server.first_start import OPERATOR
from server.terminal import UNCUT, DataDir, moment, out, read_secrets, run

app = typer.Typer(no_args_is_help=True, help="Store, list and delete the secrets of agents and platforms.")

Name = Annotated[str, typer.Argument(help="What it is called.", show_default=False)]
AgentId = Annotated[str, typer.Argument(help="The agent's id.", show_default=False)]


@app.command("put")
def put(
    name: Name,
    agent: Annotated[
        list[str] | None, typer.Option(help="An agent that it is granted to; repeatable.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Store a secret, or replace it; it is asked for, or read from standard input as one line."""
    settings = load(data_dir=data_dir)
    (value,) = read_secrets([name])
    if not value:
        raise BadSetting("The secret is missing: write it into standard input, as one line")
    run(_put(settings, name, value, agent or []))


async def _put(settings: Settings, name: str, value: str, agent_ids: list[str]) -> None:
    async with opened(settings) as ctx:
        _tell(await vault.put(ctx, OPERATOR, name, value, agent_ids))


@app.command("list")
def list_all(data_dir: DataDir = None) -> None:
    """List the secrets, and the agents that each is granted to."""
    run(_list(load(data_dir=data_dir)))


async def _list(settings: Settings) -> None:
    table = Table(box=None)
    for heading in ("name", "agents", "changed (UTC)"):
        table.add_column(heading, no_wrap=True)
    async with opened(settings) as ctx:
        after = ""
        while found := await vault.list_page(ctx, OPERATOR, after, rules.MAX_PAGE):
            for kept in found:
                table.add_row(kept.secret.name, ", ".join(kept.agent_ids), moment(kept.secret.updated_at))
            after = found[-1].secret.name
    Console(width=UNCUT).print(table)


@app.command("grant")
def grant(name: Name, agent_id: AgentId, data_dir: DataDir = None) -> None:
    """Grant a secret to an agent."""
    run(_grant(load(data_dir=data_dir), name, agent_id))


async def _grant(settings: Settings, name: str, agent_id: str) -> None:
    async with opened(settings) as ctx:
        _tell(await vault.grant(ctx, OPERATOR, name, agent_id))


@app.command("withdraw")
def withdraw(name: Name, agent_id: AgentId, data_dir: DataDir = None) -> None:
    """Withdraw a secret from an agent."""
    run(_withdraw(load(data_dir=data_dir), name, agent_id))


async def _withdraw(settings: Settings, name: str, agent_id: str) -> None:
    async with opened(settings) as ctx:
        _tell(await vault.withdraw(ctx, OPERATOR, name, agent_id))


@app.command("remove")
def remove(name: Name, data_dir: DataDir = None) -> None:
    """Delete a secret."""
    run(_remove(load(data_dir=data_dir), name))


async def _remove(settings: Settings, name: str) -> None:
    async with opened(settings) as ctx:
        await vault.remove(ctx, OPERATOR, name)
    out.print(f"The secret {name} is forgotten.")


def _tell(kept: Kept) -> None:
    whom = ", ".join(kept.agent_ids) or "nobody yet"
    out.print(f"The secret {kept.secret.name} is kept, for {whom}.", markup=False)
