"""The commands that look after secrets, which are asked for, and never a part of a command."""

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

app = typer.Typer(no_args_is_help=True, help="Keep, list and forget the secrets of agents and platforms.")

Name = Annotated[str, typer.Argument(help="What it is called.", show_default=False)]
AgentId = Annotated[str, typer.Argument(help="The agent's id.", show_default=False)]


@app.command("put")
def put(
    name: Name,
    agent: Annotated[list[str] | None, typer.Option(help="Whom it may be used for; repeatable.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Keep a secret, or another in its place; it is asked for, or a line of standard input."""
    settings = load(data_dir=data_dir)
    (value,) = read_secrets([name])
    if not value:
        raise BadSetting("There is no secret in standard input: it is one line")
    run(_put(settings, name, value, agent or []))


async def _put(settings: Settings, name: str, value: str, agent_ids: list[str]) -> None:
    async with opened(settings) as ctx:
        _tell(await vault.put(ctx, OPERATOR, name, value, agent_ids))


@app.command("list")
def list_all(data_dir: DataDir = None) -> None:
    """List the secrets, and for whom each may be used."""
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
    """Let a secret be used for an agent."""
    run(_grant(load(data_dir=data_dir), name, agent_id))


async def _grant(settings: Settings, name: str, agent_id: str) -> None:
    async with opened(settings) as ctx:
        _tell(await vault.grant(ctx, OPERATOR, name, agent_id))


@app.command("withdraw")
def withdraw(name: Name, agent_id: AgentId, data_dir: DataDir = None) -> None:
    """Let a secret be used for an agent no more."""
    run(_withdraw(load(data_dir=data_dir), name, agent_id))


async def _withdraw(settings: Settings, name: str, agent_id: str) -> None:
    async with opened(settings) as ctx:
        _tell(await vault.withdraw(ctx, OPERATOR, name, agent_id))


@app.command("remove")
def remove(name: Name, data_dir: DataDir = None) -> None:
    """Forget a secret."""
    run(_remove(load(data_dir=data_dir), name))


async def _remove(settings: Settings, name: str) -> None:
    async with opened(settings) as ctx:
        await vault.remove(ctx, OPERATOR, name)
    out.print(f"The secret {name} is forgotten.")


def _tell(kept: Kept) -> None:
    whom = ", ".join(kept.agent_ids) or "nobody yet"
    out.print(f"The secret {kept.secret.name} is kept, for {whom}.", markup=False)
