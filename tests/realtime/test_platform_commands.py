"""The commands for secrets and platforms, beside a server that runs."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.platforms import SECRETS, FakeApi, said
from tests.receiving import receiving
from tests.rest import API, Rest
from tests.running import COMMAND, DEADLINE, Parley, Start, run_parley, secret_of

TOKEN = SECRETS["telegram"]["bot_token"]
SERVER = "https://chat.example"


@asynccontextmanager
async def faking() -> AsyncIterator[tuple[FakeApi, str]]:
    """Run a platform's API, and give it with its address."""
    api = FakeApi()
    async with receiving(api.take) as port:
        yield api, f"http://127.0.0.1:{port}"


@pytest.fixture
async def near(start: Start) -> Parley:
    """Run a node with an agent, which may make requests to this machine."""
    parley = await start(outbound_allow=["127.0.0.1"])
    await parley.agent("bot")
    return parley


async def command(parley: Parley, *arguments: str, lines: list[str] | None = None) -> tuple[int, str]:
    """Run a command on the node's database, with these lines as its standard input."""
    where = {"PARLEY_SECRET": secret_of(parley.data_dir), "PARLEY_OUTBOUND_ALLOW": "127.0.0.1"}
    return await run_parley(*arguments, "--data-dir", str(parley.data_dir), lines=lines or [], **where)


async def connect(parley: Parley, kind: str, *options: str, lines: list[str]) -> tuple[int, str]:
    """Connect a platform for the agent."""
    return await command(
        parley, "platforms", "connect", kind, "--agent", "bot", "--url", SERVER, *options, lines=lines
    )


async def kept(client: Rest) -> tuple[list[Any], list[Any]]:
    """Return the platforms, and the secrets, that there are."""
    connected = (await client.get(f"{API}/platforms")).data["platforms"]
    return connected, (await client.get(f"{API}/secrets")).data["secrets"]


async def test_a_bot_of_telegram_is_connected_by_one_command(near: Parley) -> None:
    """It asks for the bot's token alone; what is said to the bot then comes in, and its answer goes back."""
    async with faking() as (api, url):
        code, told = await connect(near, "telegram", "--api-url", url, lines=[TOKEN])
        assert code == 0, told
        ((platform,), secrets) = await kept(near.service)
        (registered,) = api.sent
        assert registered.path == f"/bot{TOKEN}/setWebhook"
        assert registered.body["url"] == f"{SERVER}{platform['incoming']}"
        assert registered.body["url"] in told
        door = registered.body["secret_token"]
        assert TOKEN not in told
        assert door not in told
        assert [secret["agents"] for secret in secrets] == [["bot"], ["bot"]]
        knock = said("telegram", now=time.time()).having(x_telegram_bot_api_secret_token=door)
        taken = await near.anonymous.request(
            "POST", platform["incoming"], data=knock.body, headers=knock.headers
        )
        assert taken.status == 200
        api.arrived.clear()
        (run,) = (await near.service.get(f"{API}/runs", agent_id="bot")).data["runs"]
        await near.service.post(f"{API}/complete", {"run_id": run["id"], "response": "Fine."})
        await asyncio.wait_for(api.arrived.wait(), DEADLINE)
        assert (api.sent[-1].path, api.sent[-1].body["text"]) == (f"/bot{TOKEN}/sendMessage", "Fine.")
        listed = (await command(near, "platforms", "list"))[1]
        assert platform["id"] in listed
        assert all(secret["name"] in listed for secret in secrets)
        assert (await command(near, "platforms", "remove", platform["id"]))[0] == 0
    assert await kept(near.service) == ([], [])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.json_response({"ok": False, "description": "Unauthorized"}, status=401), "Unauthorized"),
        (web.Response(status=502, text="<html>"), "status 502"),
        (web.Response(status=302, headers={"Location": "/"}), "redirect"),
    ],
    ids=["refused", "broken", "redirect"],
)
async def test_what_telegram_does_not_take_is_not_connected(
    near: Parley, answer: web.Response, why: str
) -> None:
    """The command says why, and leaves nothing behind."""
    async with faking() as (api, url):
        api.answers = [answer]
        code, told = await connect(near, "telegram", "--api-url", url, lines=[TOKEN])
    assert (code, TOKEN in told) == (1, False)
    assert why in told
    assert await kept(near.service) == ([], [])


@pytest.mark.parametrize(
    ("kind", "lines", "named"),
    [
        ("discord", [SECRETS["discord"]["public_key"]], ["public_key"]),
        ("discord", [SECRETS["discord"]["public_key"], "t"], ["bot_token", "public_key"]),
        ("twitter", ["a", "c"], ["access_token", "consumer_secret"]),
        ("twitter", list("abcd"), ["access_token", "access_token_secret", "consumer_key", "consumer_secret"]),
        ("webhook", ["s"], ["secret"]),
    ],
)
async def test_other_platforms_are_connected_too(
    near: Parley, kind: str, lines: list[str], named: list[str]
) -> None:
    """With as many secrets as there are; where it sends to is printed, to be entered there."""
    code, told = await connect(near, kind, lines=lines)
    assert code == 0, told
    ((platform,), secrets) = await kept(near.service)
    assert sorted(platform["secrets"]) == named
    assert sorted(platform["secrets"].values()) == [secret["name"] for secret in secrets]
    assert f"{SERVER}{platform['incoming']}" in told


@pytest.mark.parametrize(
    ("options", "lines", "why"),
    [
        (["discord"], ["no key"], "public key of Ed25519"),
        (["discord"], [], "public key"),
        (["twitter"], ["a"], "consumer secret"),
        (["webhook"], ["s", "t"], "more lines than are read"),
        (["webhook"], ["x" * 8_193], "8192"),
        (["webhook", "--agent", "nobody"], ["s"], "nobody"),
        (["webhook", "--api-url", "file:///etc/passwd"], ["s"], "api_url"),
    ],
)
async def test_what_cannot_be_connected_leaves_nothing_behind(
    near: Parley, options: list[str], lines: list[str], why: str
) -> None:
    """One sentence says what was wrong, and none of the secrets."""
    code, told = await connect(near, *options, lines=lines)
    assert code == 1
    assert why in told
    (sentence,) = told.splitlines()
    assert sentence.startswith("parley: ")
    assert "no key" not in told
    assert await kept(near.service) == ([], [])


async def test_secrets_are_kept_listed_and_forgotten(near: Parley) -> None:
    """They are lines of standard input, and no command tells them again."""
    await near.agent("other")
    code, told = await command(near, "secrets", "put", "token", "--agent", "bot", lines=["hush"])
    assert (code, "hush" in told) == (0, False)
    assert (await command(near, "secrets", "grant", "token", "other"))[0] == 0
    listed = (await command(near, "secrets", "list"))[1]
    assert re.search(r"token +bot, other +20", listed)
    assert "hush" not in listed
    assert (await command(near, "secrets", "withdraw", "token", "bot"))[0] == 0
    assert [secret["agents"] for secret in (await kept(near.service))[1]] == [["other"]]
    assert (await command(near, "secrets", "remove", "token"))[0] == 0
    assert await kept(near.service) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "lines", "why"),
    [
        (["put", "token"], [], "standard input"),
        (["put", "token"], ["one", "two"], "more lines than are read"),
        (["put", "token", "--agent", "nobody"], ["hush"], "nobody"),
        (["put", "a b"], ["hush"], "name"),
        (["grant", "token", "bot"], [], "token"),
        (["remove", "webhook:bot"], [], "webhook"),
    ],
)
async def test_what_cannot_be_done_to_secrets_is_said(
    near: Parley, arguments: list[str], lines: list[str], why: str
) -> None:
    """In one sentence, and nothing is kept."""
    code, told = await command(near, "secrets", *arguments, lines=lines)
    assert code == 1
    (sentence,) = told.splitlines()
    assert sentence.startswith("parley: ")
    assert why in sentence
    assert await kept(near.service) == ([], [])


async def test_without_a_secret_of_the_servers_nothing_is_kept(near: Parley) -> None:
    """The command says which variable it needs."""
    options = ("--data-dir", str(near.data_dir))
    code, told = await run_parley("secrets", "put", "token", *options, lines=["hush"])
    assert (code, "PARLEY_SECRET" in told) == (1, True)


async def test_what_is_typed_is_not_shown(near: Parley) -> None:
    """On a terminal the secret is asked for, and nothing that is typed comes back."""
    terminal, typed = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, "secrets", "put", "token", "--data-dir", near.data_dir),
        stdin=typed,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PARLEY_SECRET": secret_of(near.data_dir)},
        start_new_session=True,  # without a terminal of its own, which would be asked instead
    )
    os.close(typed)
    assert process.stderr is not None
    asked = await asyncio.wait_for(process.stderr.readuntil(b": "), DEADLINE)
    os.write(terminal, b"hush\n")
    told, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    os.set_blocking(terminal, False)
    try:
        shown = os.read(terminal, 1_000)
    except OSError:  # nothing was, and nobody is on the other side any more
        shown = b""
    os.close(terminal)
    assert (asked, process.returncode) == (b"token: ", 0)
    assert b"hush" not in shown + told
    assert [secret["name"] for secret in (await kept(near.service))[1]] == ["token"]
