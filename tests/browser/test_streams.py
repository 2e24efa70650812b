"""Replies that grow on the page while agents say them."""

import re

from playwright.async_api import ElementHandle, Locator, Page, WebSocketRoute, expect

from rooms.principals import Kind
from server.first_start import GENERAL_ID, OWNER_ID
from tests.browser.conversing import MARKUP, agent_in_general, note, thinking
from tests.browser.surfing import Open, enter_key, said, say, sign_in
from tests.running import Parley


def growing(page: Page) -> Locator:
    """Find what is being said."""
    return page.locator(".message.growing .text")


async def place(message: ElementHandle) -> dict[str, float]:
    """Tell where a message begins."""
    box = await message.bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"]}


async def test_a_reply_grows_into_its_message(parley: Parley, open_page: Open) -> None:
    """Each chunk is seen as it comes; the message takes the place of what was said, where it stood."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "two and two?")
        run = await agent.asked()
        await agent.stream(run, 0, "That ")
        await expect(growing(page)).to_have_text("That")
        await expect(thinking(page)).to_have_text("Bot is answering…")
        await agent.stream(run, 1, "is four, see https://example.org")
        await expect(growing(page)).to_have_text("That is four, see https://example.org")
        assert await growing(page).get_by_role("link").count() == 0
        bubble = await page.locator(".message.growing").element_handle()
        before = await place(bubble)
        await agent.complete(run)
        await expect(page.get_by_role("log").get_by_role("link")).to_have_text("https://example.org")
        await expect(growing(page)).to_have_count(0)
        assert await bubble.is_visible(), "the message is another element"
        assert await place(bubble) == before
        await expect(page.locator(".message")).to_have_count(2)
        await expect(thinking(page)).to_be_empty()


async def test_who_comes_later_sees_what_was_said_so_far(parley: Parley, open_page: Open) -> None:
    """And everything that follows."""
    async with agent_in_general(parley) as agent:
        await parley.service.submit(GENERAL_ID, "count", author_id=OWNER_ID)
        run = await agent.asked()
        await agent.stream(run, 0, "one, ")
        await agent.stream(run, 1, "two, ")
        page = await sign_in(open_page, parley)
        await expect(growing(page)).to_have_text("one, two,")
        await agent.stream(run, 2, "three")
        await expect(growing(page)).to_have_text("one, two, three")


async def test_a_stopped_reply_stays_with_what_there_is(parley: Parley, open_page: Open) -> None:
    """The page says that there is no more of it."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "count")
        run = await agent.asked()
        await agent.stream(run, 0, "one, two,")
        await expect(growing(page)).to_have_text("one, two,")
        await page.get_by_role("button", name="Stop Bot").click()
        await expect(said(page, "one, two,")).to_be_visible()
        await expect(growing(page)).to_have_count(0)
        await expect(page.get_by_text("(cut short)")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("(cut short)")).to_be_visible()


async def test_a_reply_that_comes_to_nothing_disappears(parley: Parley, open_page: Open) -> None:
    """What was said for a message that is gone is gone, too."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "hello")
        run = await agent.asked()
        await agent.stream(run, 0, "well, ")
        await expect(growing(page)).to_be_visible()
        assert (await parley.service.delete_message(run["message_id"])).status == 200
        await expect(page.locator(".message")).to_have_count(0)
        await expect(thinking(page)).to_be_empty()


async def test_an_answer_under_another_id_takes_the_place_of_what_was_said(
    parley: Parley, open_page: Open
) -> None:
    """An agent may say something else in the end."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "hello")
        run = await agent.asked()
        await agent.stream(run, 0, "well, ")
        await expect(growing(page)).to_be_visible()
        reply = {"channel_id": GENERAL_ID, "content": "no", "in_reply_to_message_id": run["message_id"]}
        await agent.talker.data("submit", reply)
        await expect(page.locator(".message .text")).to_have_text(["hello", "no"])


async def test_a_missing_chunk_is_waited_for_until_the_message(parley: Parley, open_page: Open) -> None:
    """Nothing is shown that was not said like that."""
    async with agent_in_general(parley) as agent:
        page = await open_page("about:blank")
        await page.route_web_socket(re.compile("/socket.io/"), drop_the_second_chunk)
        await page.goto(parley.url)
        await enter_key(page, await parley.key(Kind.USER, OWNER_ID))
        await say(page, "count")
        run = await agent.asked()
        for index, chunk in enumerate(("one, ", "two, ", "three")):
            await agent.stream(run, index, chunk)
        await agent.talker.settle()
        await expect(growing(page)).to_have_text("one,")
        await agent.complete(run)
        await expect(said(page, "one, two, three")).to_be_visible()


def drop_the_second_chunk(socket: WebSocketRoute) -> None:
    """Pass everything on but that."""
    server = socket.connect_to_server()
    socket.on_message(server.send)

    def tell(frame: str) -> None:
        is_second = '"stream"' in frame and '"index":1' in frame
        if not is_second:
            socket.send(frame)

    server.on_message(tell)


async def test_markup_in_what_agents_say_is_text(parley: Parley, open_page: Open) -> None:
    """Neither a name nor a chunk becomes more than that."""
    async with agent_in_general(parley, name=MARKUP) as agent:
        page = await sign_in(open_page, parley)
        await say(page, "hello")
        await expect(thinking(page)).to_have_text(f"{MARKUP} is thinking…")
        run = await agent.asked()
        await agent.stream(run, 0, MARKUP)
        await expect(growing(page)).to_have_text(MARKUP)
        await agent.complete(run)
        await expect(said(page, MARKUP)).to_be_visible()
        await say(page, "and?")
        await agent.complete(await agent.asked(2))
        await expect(note(page, "and?")).to_have_text(f"{MARKUP} has nothing to say.")
        assert await page.locator("main :is(img, script)").count() == 0
        assert await page.evaluate("window.ran") is None
