"""The commands that connect platforms, with all that this takes, and disconnect them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from handlers.platform_wire import Kind
from rooms import platforms, rules, telegram, vault
from rooms.context import Context
from rooms.parcels import Letter
from rooms.platform_tables import Platform
from rooms.platforms import KINDS, PlatformDraft
from server.config import BadSetting, Settings, load
from server.database_commands import opened
from server.fetcher import FetchFailed, Request, fetching
from server.first_start import OPERATOR
from server.terminal import UNCUT, DataDir, moment, out, read_secrets, run

app = typer.Typer(no_args_is_help=True, help="Connect, list and disconnect platforms.")

# What is to be done with the address that a platform sends to, where Parley cannot do it.
_NEXT: Mapping[str, str] = {
    "discord": "Enter this as the application's Interactions Endpoint URL:",
    "telegram": "Telegram sends what is said to the bot to:",
    "twitter": "Register this as the webhook of the account's activity:",
    "webhook": "Send what is said, signed, to:",
}


@app.command("connect")
def connect(
    kind: Annotated[Kind, typer.Argument(show_default=False)],
    agent: Annotated[str, typer.Option(help="The id of the agent that answers there.", show_default=False)],
    url: Annotated[str, typer.Option(help="Your server's public address.", show_default=False)],
    api_url: Annotated[str | None, typer.Option(help="Where replies are sent, if not as usual.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Connect a platform; its secrets are asked for, or read from standard input line by line, and stored."""
    settings = load(data_dir=data_dir)
    run(_connect(settings, url, _draft(kind, agent, api_url, _read_values(kind))))


def _read_values(kind: str) -> dict[str, str]:
    """Return the secrets that the kind needs, by use."""
    one = KINDS[kind]
    uses = [use for use in sorted(one.required) if (kind, use) != ("telegram", "secret_token")]
    optional = sorted(one.optional)
    labels = [*map(_label, uses), *(f"{_label(use)} (empty if there is none)" for use in optional)]
    values = dict(zip([*uses, *optional], read_secrets(labels), strict=True))
    if missing := [use for use in uses if not values[use]]:
        raise BadSetting(f"To connect {kind}, state its {', '.join(map(_label, missing))}")
    if kind == "telegram":
        values["secret_token"] = secrets.token_urlsafe(32)  # Telegram is told it, and nobody else needs it
    return {use: value for use, value in values.items() if value}


def _label(use: str) -> str:
    return use.replace("_", " ")


def _draft(kind: str, agent_id: str, api_url: str | None, values: Mapping[str, str]) -> PlatformDraft:
    draft = PlatformDraft(OPERATOR, kind, agent_id, {}, api_url)
    names = {use: f"{_prefix(kind, draft.id)}{use}" for use in values}
    kept = {names[use]: value for use, value in values.items()}
    return PlatformDraft(OPERATOR, kind, agent_id, names, api_url, kept, draft.id)


def _prefix(kind: str, platform_id: str) -> str:
    """Return how the names of secrets begin that are kept for one platform alone."""
    return f"{kind}-{platform_id[-8:]}-"


async def _connect(settings: Settings, url: str, draft: PlatformDraft) -> None:
    async with opened(settings) as ctx:
        platform = await platforms.create(ctx, draft)
        incoming = f"{url.rstrip('/')}/api/platforms/{platform.id}/incoming"
        if platform.kind == "telegram":
            given = {use: draft.values[name].encode() for use, name in draft.secrets.items()}
            await _register(ctx, platform, telegram.registration(platform, given, incoming))
    out.print(
        f"{platform.agent_id} answers on {platform.kind}. {_NEXT[platform.kind]}\n{incoming}", markup=False
    )


async def _register(ctx: Context, platform: Platform, letter: Letter) -> None:
    """Tell Telegram where to send; disconnect the platform again, and say why, if that cannot be done."""
    complaint = await _ask(ctx, letter)
    if complaint is not None:
        await _disconnect(ctx, platform.id)
        raise BadSetting(f"Nothing was connected: {complaint}")


async def _ask(ctx: Context, letter: Letter) -> str | None:
    """Make the request, and return a sentence why it has failed, or None."""
    request = Request(letter.method, letter.url, letter.headers, letter.body)
    try:
        async with fetching(ctx.policy.reach) as fetcher:
            answer = await fetcher.fetch(request)
    except FetchFailed as error:
        return f"Telegram cannot be reached ({error.reason})"
    if answer.status == 200:
        return None
    return f"Telegram answers '{telegram.find_complaint(answer.body) or f'status {answer.status}'}'"


@app.command("list")
def list_all(data_dir: DataDir = None) -> None:
    """List the platforms, the newest first, without their secrets."""
    run(_list(load(data_dir=data_dir)))


async def _list(settings: Settings) -> None:
    table = Table(box=None)
    for heading in ("id", "kind", "agent", "secrets", "replies to", "connected (UTC)"):
        table.add_column(heading, no_wrap=True)
    async with opened(settings) as ctx:
        before = None
        while found := await platforms.list_page(ctx, OPERATOR, before, rules.MAX_PAGE):
            for one in found:
                names = ", ".join(sorted(one.secrets.values()))
                cells = (one.id, one.kind, one.agent_id, names, one.api_url, moment(one.created_at))
                table.add_row(*map(Text, cells))
            before = found[-1].id
    Console(width=UNCUT).print(table)


@app.command("remove")
def remove(
    platform_id: Annotated[str, typer.Argument(help="The id that 'parley platforms list' shows.")],
    data_dir: DataDir = None,
) -> None:
    """Disconnect a platform, and delete the secrets that 'connect' has stored for it."""
    run(_remove(load(data_dir=data_dir), platform_id))


async def _remove(settings: Settings, platform_id: str) -> None:
    async with opened(settings) as ctx:
        await _disconnect(ctx, platform_id)
    out.print(f"Platform {platform_id} is disconnected.")


async def _disconnect(ctx: Context, platform_id: str) -> None:
    platform = await platforms.remove(ctx, OPERATOR, platform_id)
    for name in platform.secrets.values():
        if name.startswith(_prefix(platform.kind, platform.id)):
            await vault.remove(ctx, OPERATOR, name)
