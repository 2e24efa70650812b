"""The command ``parley``."""

from __future__ import annotations

import asyncio
import gc
import logging
import shlex
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from rooms import keys
from rooms.database import OutcomeUnknown
from rooms.errors import ParleyError
from rooms.keys import KeyDraft
from rooms.principals import ALL_SCOPES, Kind, Scope
from server import logs
from server.app import Node, running
from server.config import BadSetting, Settings, load
from server.database_commands import app as database_app
from server.database_commands import opened
from server.demo import eliza
from server.import_eliza import import_eliza
from server.platform_commands import app as platforms_app
from server.runs import runs
from server.secret_commands import app as secrets_app
from server.terminal import UNCUT, DataDir, moment, out, run

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(database_app)
app.command()(runs)
app.command()(import_eliza)
app.add_typer(keys_app, name="keys")
app.add_typer(secrets_app, name="secrets")
app.add_typer(platforms_app, name="platforms")

_log = logging.getLogger("parley")


def main() -> None:
    """Run the command; a setting or a request that cannot be fulfilled ends it with a sentence."""
    try:
        app()
    except BadSetting as error:
        _fail(str(error))
    except ParleyError as error:
        _fail(f"{error.message}: {error.details}")
    except (DBAPIError, OutcomeUnknown) as error:
        _fail(f"The database cannot be used: {error.__cause__ or error}".splitlines()[0])


def _fail(sentence: str) -> NoReturn:
    sys.stderr.writelines(f"parley: {line}\n" for line in sentence.splitlines())
    raise SystemExit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: DataDir = None,
    ui: Annotated[str | None, typer.Option(help="Whose web client is served: parley or eliza.")] = None,
    ui_dir: Annotated[Path | None, typer.Option(help="Where a build of elizaOS's is unpacked.")] = None,
    demo: Annotated[bool, typer.Option(help="Keep the agent Eliza in #general.")] = True,
) -> None:
    """Serve until SIGINT or SIGTERM, and let clients go in peace; a second signal waits for nobody."""
    settings = load(host=host, port=port, data_dir=data_dir, ui=ui, ui_dir=ui_dir)
    logs.configure()
    run(_serve(settings, with_demo=demo))


async def _serve(settings: Settings, *, with_demo: bool) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def end() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(running(settings, hurry))
        url = settings.url_at(node.port)
        if with_demo:
            await stack.enter_async_context(eliza(node.ctx, url))
        _greet(settings, node, url)
        _spare_collector()
        await stop.wait()
        _log.info("stopping")


def _spare_collector() -> None:
    """Keep what lives as long as the process out of the garbage collector's rounds, and space them.

    A message makes some hundred objects, none of them in a cycle; with the standard thresholds the
    collector takes a third of the writer's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def _greet(settings: Settings, node: Node, url: str) -> None:
    """Tell the operator where to go; secrets are printed here and never logged."""
    if not settings.is_loopback and settings.tls_cert is None:
        _log.warning("keys travel in clear to %s: set PARLEY_TLS_CERT and PARLEY_TLS_KEY", settings.host)
    out.print(f"\n[bold]Parley[/bold] listens on {url}")
    if settings.auth == "open":
        out.print(f"\n  No credentials are asked for: open [bold]{url}[/bold]\n")
    elif node.welcome:
        out.print(
            f"\n  Open this link to sign in (it works once, for 24 hours):\n"
            f"    [bold]{settings.sign_in_url(node.port, node.welcome.sign_in_code)}[/bold]\n"
            f"\n  The key for your own programs (it is shown this once):\n"
            f"    {node.welcome.service_key}\n"
        )
    else:
        out.print(f"\n  A new link to sign in: {link_command(settings, node.port)}\n")


def link_command(settings: Settings, port: int) -> str:
    """Return what makes a link to this server, so that it can be copied, however the server was begun."""
    called = Path(sys.argv[0])
    command = str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)
    words = [command, "keys", "create", "--kind", "user", "--id", "owner", "--sign-in", "--port", str(port)]
    if not settings.database_url and settings.data_dir != Settings.model_fields["data_dir"].default:
        words += ["--data-dir", str(settings.data_dir)]
    if settings.ui_dir is not None:
        words = ["PARLEY_UI=eliza", f"PARLEY_UI_DIR={settings.ui_dir}", *words]
    return shlex.join(words)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def bench(context: typer.Context) -> None:
    """Measure this version on this machine; --help lists the workloads."""
    from benchmarks.__main__ import main as measure  # nobody else pays for loading it

    measure(context.args, prog="parley bench")


@keys_app.command("create")
def keys_create(
    kind: Annotated[Kind, typer.Option(help="Who will use it.")] = Kind.SERVICE,
    principal_id: Annotated[str | None, typer.Option("--id", help="The user's or agent's id.")] = None,
    name: Annotated[str | None, typer.Option(help="What people see; the id unless given.")] = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="For services; all unless given.")] = None,
    sign_in: Annotated[bool, typer.Option("--sign-in", help="Print a sign-in link instead (users).")] = False,
    port: Annotated[int | None, typer.Option(help="The server's port, for the link.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it, once."""
    if kind is not Kind.SERVICE and principal_id is None:
        raise BadSetting(f"A key for a {kind} needs --id")
    if sign_in and kind is not Kind.USER:
        raise BadSetting("--sign-in goes with --kind user")
    who = principal_id or name or "service"
    scopes = frozenset(scope or ALL_SCOPES) if kind is Kind.SERVICE else frozenset()
    draft = KeyDraft(kind, who, name or who, scopes)
    run(_create_key(load(port=port, data_dir=data_dir), draft, sign_in=sign_in))


async def _create_key(settings: Settings, draft: KeyDraft, *, sign_in: bool) -> None:
    async with opened(settings) as ctx:
        if sign_in:
            code = await keys.create_sign_in_code(ctx, draft.principal_id)
            out.print(settings.sign_in_url(settings.port, code))
            return
        made = await keys.create(ctx, draft)
        out.print(made.secret)


@keys_app.command("list")
def keys_list(data_dir: DataDir = None) -> None:
    """List every key, without its secret."""
    run(_list_keys(load(data_dir=data_dir)))


async def _list_keys(settings: Settings) -> None:
    async with opened(settings) as ctx:
        found = await keys.list_all(ctx)
    table = Table(box=None)
    for heading in ("id", "begins with", "kind", "principal", "name", "created (UTC)", "state"):
        table.add_column(heading, no_wrap=True)
    for key in found:
        state = "revoked" if key.revoked_at else "valid"
        table.add_row(key.id, key.prefix, key.kind, key.principal_id, key.name, moment(key.created_at), state)
    Console(width=UNCUT).print(table)


@keys_app.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="The id that 'parley keys list' shows.")],
    data_dir: DataDir = None,
) -> None:
    """Make a key worthless from now on."""
    run(_revoke_key(load(data_dir=data_dir), key_id))


async def _revoke_key(settings: Settings, key_id: str) -> None:
    async with opened(settings) as ctx:
        await keys.revoke(ctx, key_id)
    out.print(f"Key {key_id} is revoked.")
