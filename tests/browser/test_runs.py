"""What the page shows of the runs of agents."""

import asyncio
import re
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import WebSocketRoute, expect
from sqlalchemy import insert

from rooms.principals import Kind
from rooms.store.statements import tables
from server import overdue
from server.first_start import GENERAL_ID, OWNER_ID
from tests.browser.conversing import agent_in_general, note, thinking
from tests.browser.surfing import Open, channel, enter_key, said, say, sign_in
from tests.running import Parley, Start


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server look after runs more often than people would notice."""
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.05)


async def test_an_agent_is_seen_thinking_until_it_has_answered(parley: Parley, open_page: Open) -> None:
    """The line comes with the question, and goes with the answer."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "two and two?")
        await expect(thinking(page)).to_have_text("Bot is thinking…")
        await agent.complete(await agent.asked(), response="four")
        await expect(said(page, "four")).to_be_visible()
        await expect(thinking(page)).to_be_empty()
        await expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        await expect(note(page, "two and two?")).to_have_count(0)


async def test_several_agents_are_counted(parley: Parley, open_page: Open) -> None:
    """Each that has ended is counted no longer; what they say to each other asks nobody."""
    async with agent_in_general(parley) as one, agent_in_general(parley, "other", "Other") as other:
        page = await sign_in(open_page, parley)
        await say(page, "hello")
        await expect(thinking(page)).to_have_text("2 agents are thinking…")
        await one.complete(await one.asked(), response="hi")
        await expect(thinking(page)).to_have_text("Other is thinking…")
        await other.complete(await other.asked(), response="hey")
        await expect(thinking(page)).to_be_empty()


async def test_a_run_is_stopped_by_who_has_asked(parley: Parley, open_page: Open) -> None:
    """The agent is told, and the message says that it was stopped."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "count to a million")
        await agent.talker.data("claim_run", {"run_id": (await agent.asked())["id"]})
        await page.get_by_role("button", name="Stop Bot").click()
        await expect(note(page, "count to a million")).to_have_text("Bot was stopped before it answered.")
        await expect(thinking(page)).to_be_empty()
        (end,) = await agent.talker.wait_for("complete")
        assert end["state"] == "cancelled"


async def test_only_who_may_is_offered_to_stop_a_run(parley: Parley, open_page: Open) -> None:
    """Others see that the agent thinks; the owner of the channel may stop it, too."""
    async with agent_in_general(parley):
        owner = await sign_in(open_page, parley)
        mira = await open_page(parley.url)
        await enter_key(mira, await parley.key(Kind.USER, "mira", "Mira"))
        await channel(mira, "general").click()
        await say(owner, "hello")
        await expect(thinking(mira)).to_have_text("Bot is thinking…")
        await expect(owner.get_by_role("button", name="Stop")).to_be_visible()
        await expect(mira.get_by_role("button", name="Stop")).to_have_count(0)
        await say(mira, "and me?")
        await expect(mira.get_by_role("button", name="Stop")).to_be_visible()


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ({}, "Bot has nothing to say."),
        ({"failed": True}, "Bot could not answer: something went wrong."),
    ],
)
async def test_an_end_without_an_answer_is_told_at_the_question(
    parley: Parley, open_page: Open, outcome: dict[str, bool], sentence: str
) -> None:
    """Quietly, and no alert."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "hello")
        await agent.complete(await agent.asked(), **outcome)
        await expect(note(page, "hello")).to_have_text(sentence)
        await expect(thinking(page)).to_be_empty()
        await expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(
    ("is_connected", "sentence"),
    [(False, "Bot is offline and has not answered."), (True, "Bot did not take this up in time.")],
)
async def test_a_message_that_nobody_took_says_why(
    start: Start, open_page: Open, *, is_connected: bool, sentence: str
) -> None:
    """Whoever asked learns whether the agent was there."""
    parley = await start(run_queue_seconds=0.5)
    async with AsyncExitStack() as stack:
        async with agent_in_general(parley):
            pass
        if is_connected:
            await stack.enter_async_context(agent_in_general(parley))
        page = await sign_in(open_page, parley)
        await say(page, "hello?")
        await expect(note(page, "hello?")).to_have_text(sentence)
        await expect(thinking(page)).to_be_empty()


async def mute(parley: Parley, agent_id: str) -> None:
    """Mute an agent in the channel of everybody."""
    row = {"channel_id": GENERAL_ID, "agent_id": agent_id, "muted_by": OWNER_ID, "created_at": 0}
    database = parley.node.ctx.database
    await database.write(lambda connection: connection.execute(insert(tables["mutes"]), [row]))


async def test_a_muted_agent_is_not_waited_for(parley: Parley, open_page: Open) -> None:
    """It was not asked, so there is nothing to tell."""
    async with agent_in_general(parley, "quick", "Quick") as quick, agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await mute(parley, "bot")
        await say(page, "hello")
        await expect(thinking(page)).to_have_text("Quick is thinking…")
        await quick.complete(await quick.asked(), response="hi")
        await expect(thinking(page)).to_be_empty()
        await expect(page.locator(".note")).to_have_count(0)
        assert "muted" in {run["run"]["reason"] for run in agent.talker.all("run")}


async def test_what_was_under_way_is_shown_after_a_reload(parley: Parley, open_page: Open) -> None:
    """And nothing of what has ended meanwhile."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "hello")
        await expect(thinking(page)).to_have_text("Bot is thinking…")
        await page.reload()
        await expect(thinking(page)).to_have_text("Bot is thinking…")
        await page.close()
        await agent.complete(await agent.asked())
        page = await sign_in(open_page, parley)
        await expect(said(page, "hello")).to_be_visible()
        await expect(thinking(page)).to_be_empty()


async def test_what_has_ended_unseen_is_waited_for_no_longer(parley: Parley, open_page: Open) -> None:
    """A connection that begins anew is not told of it; without one nobody is said to think."""
    connections: list[WebSocketRoute] = []
    may_return = asyncio.Event()

    async def pass_on(socket: WebSocketRoute) -> None:
        if connections:
            await may_return.wait()
        connections.append(socket)
        server = socket.connect_to_server()
        socket.on_message(lambda frame: server.send(without_pid(str(frame))))
        server.on_message(socket.send)

    async with agent_in_general(parley) as agent:
        page = await open_page("about:blank")
        await page.route_web_socket(re.compile("/socket.io/"), pass_on)
        await page.goto(parley.url)
        await enter_key(page, await parley.key(Kind.USER, OWNER_ID))
        await say(page, "hello")
        await expect(thinking(page)).to_have_text("Bot is thinking…")
        await connections[0].close()
        await expect(page.get_by_text("Offline. Trying to connect again…")).to_be_visible()
        await expect(thinking(page)).to_be_empty()
        await agent.complete(await agent.asked())
        may_return.set()
        await expect(page.get_by_text("Offline. Trying to connect again…")).to_be_hidden()
        await say(page, "and again")
        await expect(thinking(page)).to_have_text("Bot is thinking…")
        await agent.complete(await agent.asked(2), response="yes")
        await expect(said(page, "yes")).to_be_visible()
        await expect(thinking(page)).to_be_empty()


def without_pid(frame: str) -> str:
    """Return what the client sends without what it knows of its last connection."""
    return re.sub(r'"(pid|offset)":"[^"]*",?', "", frame)
