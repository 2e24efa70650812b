"""The bot that users copy, as they run it beside a real server; and Eliza, who comes with each server."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from server import demo
from server.first_start import GENERAL_ID
from tests.rest import API, Rest
from tests.running import DEADLINE, Served, run_parley, serving, stop
from tests.talking import PATIENCE, Talker, talking

BOT = Path(__file__).parents[2] / "scripts" / "bot.py"
# The same, with an answer that comes when the test says so.
SLOW = f"""
import asyncio, sys
sys.path.insert(0, {str(BOT.parent)!r})
import bot
bot.answer = lambda text: print("Thinking") or input()
asyncio.run(bot.main())
"""


class Bot:
    """A running scripts/bot.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, part: str) -> str:
        """Wait for a line with this in it and return the line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            while line := (await self.process.stdout.readline()).decode():
                if part in line:
                    return line.strip()
        raise AssertionError(f"the bot ended without {part!r}")

    async def end(self) -> str:
        """Wait until the bot has ended and return what else it said."""
        said, _ = await asyncio.wait_for(self.process.communicate(), DEADLINE)
        return said.decode()


@asynccontextmanager
async def running_bot(key: str, url: str, *arguments: str, **environment: str) -> AsyncIterator[Bot]:
    """Run the bot with this key until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # -X dev: what the bot leaves open when it ends would be named.
        *("-u", "-X", "dev", *(arguments or (str(BOT),))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PARLEY_KEY": key, "PARLEY_URL": url, **environment},
    )
    try:
        yield Bot(process)
    finally:
        await stop(process)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Give the directory of the test's server."""
    return tmp_path / "data"


@pytest.fixture
async def served(data_dir: Path) -> AsyncIterator[Served]:
    """Run a server without the demo."""
    async with serving(data_dir) as server:
        yield server


async def make_key(data_dir: Path, kind: str, who: str, *options: str) -> str:
    """Make a key as users do, while the server runs."""
    arguments = ("keys", "create", "--kind", kind, "--id", who, "--data-dir", str(data_dir), *options)
    code, said = await run_parley(*arguments)
    assert code == 0, said
    return said.strip()


async def enter_general(talker: Talker) -> str:
    """Join the channel that every server has and return its id."""
    (channel,) = (one for one in talker.all("ready")[0]["joinable"] if one["name"] == "general")
    await talker.data("join", {"channel_id": channel["id"]})
    channel_id: str = channel["id"]
    return channel_id


async def hear_answer(talker: Talker, channel_id: str, text: str) -> dict[str, object]:
    """Say something and return the first answer to it."""
    sent = await talker.data("submit", {"channel_id": channel_id, "content": text})
    async with asyncio.timeout(PATIENCE):
        for count in range(1, sys.maxsize):
            message = (await talker.wait_for("message", count))[count - 1]
            if message.get("in_reply_to_message_id") == sent["id"]:
                return message
    raise AssertionError


async def test_the_bot_answers_a_person(served: Served, data_dir: Path) -> None:
    """With nothing but its key the bot finds the open channel and answers whoever writes there."""
    bot_key, alice_key = (
        await make_key(data_dir, "agent", "my-bot"),
        await make_key(data_dir, "user", "alice"),
    )
    async with running_bot(bot_key, served.url) as bot, talking(served.url, {"token": alice_key}) as alice:
        assert await bot.says("Listening") == "Listening in: general"
        channel_id = await enter_general(alice)
        answer = await hear_answer(alice, channel_id, "hello")
        assert answer["agentId"] == "my-bot"
        assert answer["userId"] is None
        assert "hello" in str(answer["text"])


async def test_the_runs_of_a_bot_that_knows_of_none_are_completed(served: Served, data_dir: Path) -> None:
    """Whoever waits for the end of a run is told of it, with the bot's answer."""
    bot_key, alice_key = (
        await make_key(data_dir, "agent", "my-bot"),
        await make_key(data_dir, "user", "alice"),
    )
    async with running_bot(bot_key, served.url) as bot, talking(served.url, {"token": alice_key}) as alice:
        await bot.says("Listening")
        answer = await hear_answer(alice, await enter_general(alice), "hello")
        (end,) = await alice.wait_for("complete")
    assert (end["agent_id"], end["state"], end["reply_id"]) == ("my-bot", "completed", answer["id"])


async def test_bots_do_not_answer_each_other(served: Served, data_dir: Path) -> None:
    """Two bots in one channel answer a person once each, and then there is silence."""
    keys = [await make_key(data_dir, "agent", who) for who in ("one", "other")]
    alice_key = await make_key(data_dir, "user", "alice")
    async with AsyncExitStack() as stack:
        for key in keys:
            bot = await stack.enter_async_context(running_bot(key, served.url))
            await bot.says("Listening in: general")
        alice = await stack.enter_async_context(talking(served.url, {"token": alice_key}))
        channel_id = await enter_general(alice)
        for count, text in enumerate(("hello", "and again"), 1):
            await alice.data("submit", {"channel_id": channel_id, "content": text})
            await alice.wait_for("message", count * 3)
        # An answer to an answer would stand between the second message and the answers to it, or behind.
        await alice.settle()
        authors = [message["author_id"] for message in alice.all("message")]
    assert [sorted(authors[:3]), sorted(authors[3:])] == [["alice", "one", "other"]] * 2


async def test_the_bot_joins_the_named_channel_only(served: Served, data_dir: Path) -> None:
    """PARLEY_CHANNEL keeps the bot out of the other channels."""
    key = await make_key(data_dir, "agent", "my-bot")
    async with running_bot(key, served.url, PARLEY_CHANNEL="elsewhere") as bot:
        assert await bot.says("Listening") == "Listening in:"
    async with running_bot(key, served.url, PARLEY_CHANNEL="general") as bot:
        assert await bot.says("Listening") == "Listening in: general"


async def test_a_wrong_key_ends_the_bot_with_a_sentence(served: Served) -> None:
    """The reason is the server's, in words, without a traceback."""
    async with running_bot("parley_wrong", served.url) as bot:
        said = await bot.end()
        assert bot.process.returncode == 1
    assert said == (
        f"No connection to {served.url}: Bearer token not provided or invalid.\nThe bot has ended.\n"
    )


async def test_ctrl_c_ends_the_bot_at_once(served: Served, data_dir: Path) -> None:
    """Nothing is left open, and nothing is printed but that the bot has ended."""
    async with running_bot(await make_key(data_dir, "agent", "my-bot"), served.url) as bot:
        await bot.says("Listening")
        bot.process.send_signal(signal.SIGINT)
        assert await bot.end() == "The bot has ended.\n"


async def test_the_bot_comes_back_when_the_server_does(data_dir: Path) -> None:
    """A restart of the server is nothing that the bot's owner has to care for."""
    async with AsyncExitStack() as stack:
        async with serving(data_dir) as server:
            key = await make_key(data_dir, "agent", "my-bot")
            bot = await stack.enter_async_context(running_bot(key, server.url))
            await bot.says("Listening in: general")
        await bot.says("No connection")
        async with serving(data_dir, port=int(server.url.rpartition(":")[2])):
            await bot.says("Listening in: general")


async def test_the_bot_answers_what_was_asked_around_a_restart(data_dir: Path) -> None:
    """With what it thought of meanwhile, and what it did not hear because it was not back yet, once each."""
    patience = {"PARLEY_RUN_QUEUE_SECONDS": "600"}
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with serving(data_dir, **patience) as server:
            key = await make_key(data_dir, "agent", "my-bot")
            alice_key = await make_key(data_dir, "user", "alice")
            bot = await stack.enter_async_context(running_bot(key, server.url, "-c", SLOW))
            await bot.says("Listening in: general")
            alice = Rest(session, server.url, {"Authorization": f"Bearer {alice_key}"})
            channel_id = await server.rest(session).new_channel("talk", "alice", "my-bot")
            sent = await alice.submit(channel_id, "hello")
            await bot.says("Thinking")
        await bot.says("No connection")
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"at last\nonce more\n")
        await bot.process.stdin.drain()
        async with serving(data_dir, port=int(server.url.rpartition(":")[2]), **patience):
            asked = [sent, await alice.submit(channel_id, "are you back?")]
            told = [await alice.get(f"{API}/messages/{one.data['id']}/runs", wait=50) for one in asked]
            page = await alice.get(f"{API}/channels/{channel_id}/messages")
    assert [run["state"] for reply in told for run in reply.data["runs"]] == ["completed"] * 2
    answers = [message["text"] for message in page.data["messages"] if message["agentId"]]
    assert sorted(answers) == ["at last", "once more"]


async def test_eliza_answers_a_newcomer(data_dir: Path) -> None:
    """Whoever says hello on a new server is answered bit by bit, and Ctrl-C still ends the server cleanly."""
    async with serving(data_dir, "--demo") as server:
        alice_key = await make_key(data_dir, "user", "alice")
        async with talking(server.url, {"token": alice_key}) as alice:
            answer = await hear_answer(alice, await enter_general(alice), "hello")
            chunks = [chunk["chunk"] for chunk in alice.all("stream")]
        assert answer["agentId"] == demo.AGENT_ID
        assert "I am Eliza" in str(answer["text"])
        assert (len(chunks) > 1, "".join(chunks)) == (True, answer["text"])
        server.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(server.process.communicate(), DEADLINE)
        assert server.process.returncode == 0
    assert "Traceback" not in server.log.read_text()


async def test_eliza_keeps_conversations_apart(data_dir: Path) -> None:
    """What a person told her is not told to another, nor in another channel."""
    async with serving(data_dir, "--demo") as server, AsyncExitStack() as stack:
        alice, bob = [
            await stack.enter_async_context(
                talking(server.url, {"token": await make_key(data_dir, "user", who)})
            )
            for who in ("alice", "bob")
        ]
        general = await enter_general(alice)
        await enter_general(bob)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        elsewhere = await server.rest(session).new_channel("elsewhere", "alice", demo.AGENT_ID)
        await hear_answer(alice, general, "My cat is ill")
        for talker, channel_id in ((bob, general), (alice, elsewhere)):
            answer = await hear_answer(talker, channel_id, "the weather is nice")
            assert "cat" not in str(answer["text"])
        answer = await hear_answer(alice, general, "the weather is nice")
        assert "your cat is ill" in str(answer["text"])


async def test_eliza_answers_what_was_said_while_she_was_away(data_dir: Path) -> None:
    """A run that waits for her is taken as soon as she is there."""
    async with serving(data_dir, "--demo"):
        alice_key = await make_key(data_dir, "user", "alice")
    async with serving(data_dir) as server, talking(server.url, {"token": alice_key}) as alice:
        sent = await alice.data("submit", {"channel_id": await enter_general(alice), "content": "hello"})
        assert (await alice.wait_for("run"))[0]["run"]["state"] == "queued"
    async with serving(data_dir, "--demo") as server, aiohttp.ClientSession() as session:
        rest = Rest(session, server.url, {"Authorization": f"Bearer {alice_key}"})
        (run,) = (await rest.get(f"{API}/messages/{sent['id']}/runs", wait=10)).data["runs"]
    assert run["state"] == "completed"


async def test_eliza_says_nothing_to_agents(data_dir: Path) -> None:
    """Her run of what an agent has said is over at once, without an answer."""
    async with serving(data_dir, "--demo") as server:
        key = await make_key(data_dir, "agent", "other")
        async with talking(server.url, {"token": key}) as other:
            channel_id = await enter_general(other)
            await other.data("submit", {"channel_id": channel_id, "content": "hello"})
            (end,) = await other.wait_for("complete")
    assert (end["agent_id"], end["state"], end["reason"]) == (demo.AGENT_ID, "ignored", "silent")


async def test_eliza_keeps_the_id_that_she_has(data_dir: Path) -> None:
    """Where she came as "eliza" before, she is no second agent, and what was said to her is answered."""
    async with serving(data_dir):
        await make_key(data_dir, "agent", demo.FORMER_ID, "--name", demo.AGENT_NAME)
        alice_key = await make_key(data_dir, "user", "alice")
    for _ in range(2):
        async with serving(data_dir, "--demo") as server, talking(server.url, {"token": alice_key}) as alice:
            await alice.data("join", {"channel_id": GENERAL_ID})
            answer = await hear_answer(alice, GENERAL_ID, "hello")
            assert answer["agentId"] == demo.FORMER_ID


async def test_eliza_may_be_gone_before_she_has_answered() -> None:
    """A run that meets her when she is not connected any more is passed over, and fails nothing."""
    eliza = demo.Eliza("http://127.0.0.1:9", demo.AGENT_ID, "parley_key")
    demo._client("http://127.0.0.1:9").register_namespace(eliza)
    await eliza.on_run({"run": {"id": "r", "agent_id": demo.AGENT_ID, "state": "queued"}})
    assert eliza._at_work == set()


async def test_a_restart_leaves_the_keys_of_others_alone(data_dir: Path) -> None:
    """Eliza's old key goes; a key of the same name that somebody else has stays."""
    async with serving(data_dir, "--demo"):
        key = await make_key(data_dir, "user", "somebody", "--name", "Eliza")
    async with serving(data_dir, "--demo") as server, talking(server.url, {"token": key}) as somebody:
        assert somebody.all("ready")[0]["principal"]["id"] == "somebody"
        _, listed = await run_parley("keys", "list", "--data-dir", str(data_dir))
        states = [line.split()[-1] for line in listed.splitlines() if demo.AGENT_ID in line]
    assert states == ["revoked", "valid"]
