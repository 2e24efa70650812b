"""The doors of platforms: what is asked of whoever knocks, and a conversation through each of them."""

import asyncio
import logging
import os
import re
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from handlers.incoming import MAX_BODY
from handlers.limits import Bucket
from tests import platforms
from tests.api.test_platforms import NOWHERE, PATH, connect, keep_secrets
from tests.platforms import SIGN, FakeApi, Knock, said
from tests.realtime.raw import until
from tests.receiving import receiving
from tests.rest import API, Reply
from tests.running import DEADLINE, Parley, Start, run_parley, running_parley, secret_of

PAGE = Path(__file__).parents[2] / "docs" / "platforms.md"
UNSIGNED = {kind: Knock(said(kind, now=0).body, {}) for kind in SIGN}


async def knock(parley: Parley, path: str, knock: Knock) -> Reply:
    """Send what a platform sends, as nobody that Parley has given a key."""
    return await parley.anonymous.request("POST", path, data=knock.body, headers=knock.headers)


async def door(parley: Parley, kind: str, **fields: Any) -> str:
    """Connect a platform for a new agent, and return the path of its door."""
    await parley.agent("bot")
    made = await connect(parley.service, await keep_secrets(parley, kind), kind, **fields)
    return str(made.data["incoming"])


async def runs(parley: Parley) -> list[dict[str, Any]]:
    """Return the agent's runs, the newest first."""
    found: list[dict[str, Any]] = (await parley.service.get(f"{API}/runs", agent_id="bot")).data["runs"]
    return found


@asynccontextmanager
async def api() -> AsyncIterator[tuple[FakeApi, str]]:
    """Run a platform's API, and give its URL."""
    fake = FakeApi()
    async with receiving(fake.take) as port:
        yield fake, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", SIGN)
async def test_somebody_elsewhere_talks_with_an_agent(start: Start, kind: str) -> None:
    """What is said there opens a run, and the agent's reply is said there."""
    parley = await start(outbound_allow=["127.0.0.1"])
    async with api() as (fake, url):
        path = await door(parley, kind, api_url=url)
        answer = await knock(parley, path, said(kind, "How are you?", now=time.time()))
        assert answer.status == 200
        (run,) = await runs(parley)
        message = (await parley.service.message(run["message_id"])).data
        assert message["text"] == "How are you?"
        await parley.service.post(f"{API}/complete", {"run_id": run["id"], "response": "Fine."})
        await asyncio.wait_for(fake.arrived.wait(), DEADLINE)
    assert b"Fine." in fake.sent[0].raw


async def test_discord_is_answered_within_the_request(parley: Parley) -> None:
    """A pong to a ping, and that the reply comes later."""
    path = await door(parley, "discord")
    ping = platforms.discord({"id": "1", "application_id": "777", "type": 1}, time.time())
    assert (await knock(parley, path, ping)).body == {"type": 1}
    assert await runs(parley) == []
    assert (await knock(parley, path, said("discord", now=time.time()))).body == {"type": 5}


async def test_the_challenge_of_x_is_answered(parley: Parley) -> None:
    """As often as it asks; a challenge that could be a body is none, and others ask for none."""
    path = await door(parley, "twitter")
    answer = await parley.anonymous.get(path, crc_token="token-1")
    assert answer.body == {"response_token": platforms.twitter_signature(b"token-1")}
    assert (await parley.anonymous.get(path)).refusal == (400, "VALIDATION_ERROR")
    forged = (await parley.anonymous.get(path, crc_token='{"for_user_id":"99"}')).refusal
    assert forged == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("kind", SIGN)
async def test_what_is_not_signed_is_refused(parley: Parley, kind: str) -> None:
    """Without a signature, with another's, and on another platform's door: 401, and nothing is stored."""
    path = await door(parley, kind)
    good = said(kind, now=time.time())
    name = "webhook-signature" if kind == "webhook" else next(iter(good.headers))
    for bad in (UNSIGNED[kind], good.having(**{name: "0" * 128}), good.having(**{name: "sha256=x"})):
        assert (await knock(parley, path, bad)).refusal == (401, "AUTHENTICATION_FAILED")
    assert await runs(parley) == []
    assert (await knock(parley, path, good)).status == 200


@pytest.mark.parametrize("kind", ["discord", "webhook"])
@pytest.mark.parametrize("seconds", [-400, 400])
async def test_what_was_signed_long_ago_is_refused(parley: Parley, kind: str, seconds: int) -> None:
    """Whoever has listened cannot say it again, once five minutes have passed."""
    path = await door(parley, kind)
    old = said(kind, now=time.time() + seconds)
    assert (await knock(parley, path, old)).refusal == (401, "AUTHENTICATION_FAILED")
    assert await runs(parley) == []


@pytest.mark.parametrize("kind", SIGN)
async def test_what_was_heard_before_is_answered_and_not_run_again(parley: Parley, kind: str) -> None:
    """Also when both come at once."""
    path = await door(parley, kind)
    good = said(kind, now=time.time())
    answers = await asyncio.gather(*(knock(parley, path, good) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len(await runs(parley)) == 1


@pytest.mark.parametrize("kind", SIGN)
@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'{"a":"\xed\xa0\x80"}', b"[" * 10_000])
async def test_garbage_is_refused_though_it_is_signed(parley: Parley, kind: str, body: bytes) -> None:
    """Or passed over, where it says nothing; nothing is stored."""
    path = await door(parley, kind)
    answer = await knock(parley, path, SIGN[kind](body, time.time()))
    assert answer.status in (200, 400)
    assert await runs(parley) == []


@pytest.mark.parametrize("kind", SIGN)
async def test_a_body_is_bounded(parley: Parley, kind: str) -> None:
    """Whatever is signed: nobody has more than half a megabyte to say."""
    path = await door(parley, kind)
    large = SIGN[kind](b" " * (MAX_BODY + 1), time.time())
    assert (await knock(parley, path, large)).refusal == (413, "PAYLOAD_TOO_LARGE")


async def test_a_user_id_of_5000_characters_is_refused(parley: Parley) -> None:
    """The general form says what is wrong with it."""
    path = await door(parley, "webhook")
    long = platforms.webhook(platforms.post(userId="5" * 5_000), time.time())
    refused = await knock(parley, path, long)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "userId" in refused.error["details"]


async def test_another_message_under_a_known_id_is_a_conflict(parley: Parley) -> None:
    """The general form is told; nothing is changed."""
    path = await door(parley, "webhook")
    assert (await knock(parley, path, said("webhook", "one", now=time.time()))).status == 200
    refused = await knock(parley, path, said("webhook", "another", now=time.time()))
    assert refused.refusal == (409, "CONFLICT")


async def test_a_removed_platform_has_no_door(parley: Parley) -> None:
    """Nor has one that never was."""
    path = await door(parley, "telegram")
    await parley.service.delete(f"{PATH}/{path.split('/')[3]}")
    for gone in (path, f"/api/platforms/{NOWHERE}/incoming", "/api/platforms/x%00/incoming"):
        refused = await knock(parley, gone, said("telegram", now=time.time()))
        assert refused.refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_secret_that_may_not_be_used_proves_nothing(parley: Parley) -> None:
    """The platform is asked to come again; what it says is not believed meanwhile."""
    path = await door(parley, "telegram")
    good = said("telegram", now=time.time())
    await parley.service.delete(f"{API}/secrets/secret_token/grants/bot")
    assert (await knock(parley, path, good)).refusal == (503, "UNAVAILABLE")
    await parley.service.request("PUT", f"{API}/secrets/secret_token/grants/bot")
    assert (await knock(parley, path, good)).status == 200
    await parley.service.delete(f"{API}/secrets/secret_token")
    assert (await knock(parley, path, said("telegram", "b", 2, now=time.time()))).status == 503
    assert len(await runs(parley)) == 1


async def test_who_forges_much_is_refused_unheard(start: Start) -> None:
    """From one address; what is genuine costs nothing, however much of it there is."""
    parley = await start(rate_limits="on")
    path = await door(parley, "telegram")
    tokens, _ = Bucket.FORGERIES.value
    for number in range(tokens + 10):
        good = said("telegram", "hello", number, now=time.time())
        assert (await knock(parley, path, good)).status == 200
    forged = said("telegram", now=time.time()).having(x_telegram_bot_api_secret_token="forged")
    statuses = [(await knock(parley, path, forged)).status for _ in range(tokens + 1)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    refused = await knock(parley, path, said("telegram", "more", 999, now=time.time()))
    assert refused.refusal == (429, "RATE_LIMIT_EXCEEDED")
    assert int(refused.headers["Retry-After"]) > 0


async def test_a_challenge_counts_as_what_is_not_signed(start: Start) -> None:
    """Anybody may ask for it, so nobody may ask for ever."""
    parley = await start(rate_limits="on")
    path = await door(parley, "twitter")
    tokens, _ = Bucket.FORGERIES.value
    statuses = [(await parley.anonymous.get(path, crc_token="t")).status for _ in range(tokens + 1)]
    assert (statuses[0], statuses[-1]) == (200, 429)


async def test_a_reply_outlasts_the_server(start: Start, tmp_path: Path) -> None:
    """What could not be sent before the server ended is sent by the next one."""
    data_dir = tmp_path / "kept"
    options = {"data_dir": data_dir, "outbound_allow": ["127.0.0.1"]}
    async with api() as (fake, url):
        fake.answers = [web.Response(status=503)]
        async with running_parley(**options) as first:
            path = await door(first, "telegram", api_url=url)
            await knock(first, path, said("telegram", now=time.time()))
            (run,) = await runs(first)
            await first.service.post(f"{API}/complete", {"run_id": run["id"], "response": "Fine."})
            await asyncio.wait_for(fake.arrived.wait(), DEADLINE)
        fake.arrived.clear()
        await start(**options)
        await asyncio.wait_for(fake.arrived.wait(), DEADLINE)
    assert [sent.body["text"] for sent in fake.sent] == ["Fine."] * 2


async def test_the_log_tells_nothing_confidential(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A dead reply is named; tokens, which are in URLs too, and what was said stay out of it."""
    caplog.set_level(logging.DEBUG)
    parley = await start(outbound_allow=["127.0.0.1"])
    async with api() as (fake, url):
        path = await door(parley, "telegram", api_url=url)
        fake.answers = [web.Response(status=403)]
        await knock(parley, path, said("telegram", "between us", now=time.time()))
        await knock(parley, path, said("telegram", now=0).having(x_telegram_bot_api_secret_token="forged"))
        (run,) = await runs(parley)
        await parley.service.post(f"{API}/complete", {"run_id": run["id"], "response": "a confidence"})
        await until(lambda: "is dead: status_403" in caplog.text)
    for kept in (*platforms.SECRETS["telegram"].values(), "between us", "a confidence", "forged"):
        assert kept not in caplog.text


COMMANDS = re.findall(r"^parley (platforms connect .+)$", PAGE.read_text(), re.MULTILINE)
TYPED = {
    "telegram": ["bot_token"],
    "discord": ["public_key", "bot_token"],
    "twitter": ["access_token", "consumer_secret"],
    "webhook": ["secret"],
}


async def test_the_documented_commands_connect_platforms(start: Start) -> None:
    """Those of docs/platforms.md, as they stand there, but for where Telegram is."""
    parley = await start(outbound_allow=["127.0.0.1"])
    await parley.agent("my-bot")
    where = {"PARLEY_SECRET": secret_of(parley.data_dir), "PARLEY_OUTBOUND_ALLOW": "127.0.0.1"}
    async with api() as (fake, url):
        for command in COMMANDS:
            kind = command.split()[2]
            options = ["--data-dir", str(parley.data_dir), *(["--api-url", url] * (kind == "telegram"))]
            lines = [platforms.SECRETS[kind][use] for use in TYPED[kind]]
            code, told = await run_parley(*command.split(), *options, lines=lines, **where)
            assert code == 0, told
    connected = (await parley.service.get(PATH)).data["platforms"]
    assert {one["kind"] for one in connected} == set(TYPED)
    assert all(sent.path.endswith("/setWebhook") for sent in fake.sent)


LINES = re.findall(r"^(?:put|connect) .+$", PAGE.read_text(), re.MULTILINE)


async def test_the_documented_requests_connect_platforms(parley: Parley) -> None:
    """Those of docs/platforms.md, as they stand there."""
    (functions,) = re.findall(r"```sh\n(put\(\) .+?)\n\n", PAGE.read_text(), re.DOTALL)
    await parley.agent("my-bot")
    script = "\n".join(["set -eu", functions, *LINES])
    environment = {**os.environ, "URL": parley.url, "KEY": parley.service_key}
    process = await asyncio.create_subprocess_exec("bash", "-c", script, env=environment, stdout=PIPE)
    await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 0
    connected = (await parley.service.get(PATH)).data["platforms"]
    assert [one["kind"] for one in connected] == ["webhook"]
