"""The web page in a real browser, against a real server."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from rooms.principals import Kind
from rooms.rules import MAX_BATCH
from server.first_start import GENERAL_ID, OWNER_ID
from tests.browser.surfing import PHONE, Open, channel, enter_key, said, say, sign_in
from tests.compat.test_documented_streams import example
from tests.following import poll
from tests.rest import API, Rest
from tests.running import Parley, Served, Start, serving

PAGE = 50


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Run ``parley serve`` as its documentation says, with Eliza."""
    async with serving(tmp_path / "data", "--demo") as process:
        yield process


async def crash(served: Served) -> None:
    """End a server without a goodbye."""
    served.process.kill()
    await served.process.wait()


async def fill_channel(service: Rest, channel_id: str, count: int, word: str = "line") -> None:
    """Store numbered messages."""
    lines = [
        {"channel_id": channel_id, "author_id": OWNER_ID, "content": f"{word} {number}"}
        for number in range(count)
    ]
    for first in range(0, count, MAX_BATCH):
        batch = {"messages": lines[first : first + MAX_BATCH]}
        assert all(outcome["success"] for outcome in (await service.post(f"{API}/submit/batch", batch)).data)


async def test_the_printed_link_signs_in_and_eliza_answers(served: Served, open_page: Open) -> None:
    """From the first start to a conversation that is still there after a reload takes one click."""
    page = await open_page(f"{served.url}/#code={served.sign_in_code}")
    await expect(page.get_by_text("No messages yet. Say something to Eliza.")).to_be_visible()
    assert page.url == f"{served.url}/"
    await say(page, "Hello, I am a little lost")
    answer = page.locator(".message", has_text="agent").filter(has_text="Eliza")
    await expect(answer).to_have_count(1)
    await page.reload()
    await expect(said(page, "Hello, I am a little lost")).to_be_visible()
    await expect(answer).to_have_count(1)


async def test_a_spent_link_says_so(parley: Parley, open_page: Open) -> None:
    """Who opens a link twice reads why it did not work, and how to get another."""
    assert parley.node.welcome is not None
    link = f"{parley.url}/#code={parley.node.welcome.sign_in_code}"
    await expect((await open_page(link)).get_by_role("navigation")).to_be_visible()
    page = await open_page(link)
    await expect(page.get_by_role("alert")).to_contain_text("The code is spent or too old")
    await expect(page.get_by_text("parley keys create --kind user --id owner --sign-in")).to_be_visible()
    assert page.url == f"{parley.url}/"


async def test_a_link_that_was_used_here_leads_back_in(parley: Parley, open_page: Open) -> None:
    """A bookmarked link does no harm where one is signed in already."""
    assert parley.node.welcome is not None
    link = f"{parley.url}/#code={parley.node.welcome.sign_in_code}"
    page = await open_page(link)
    await expect(page.get_by_role("navigation")).to_be_visible()
    await page.goto("about:blank")
    await page.goto(link)
    await expect(page.get_by_role("navigation")).to_be_visible()


async def test_a_key_that_is_refused_leads_back_to_signing_in(parley: Parley, open_page: Open) -> None:
    """Neither a wrong key nor a program's key is kept."""
    page = await open_page(parley.url)
    for key, sentence in (
        ("parley_nonsense", "This key is not known here, has expired or was revoked."),
        (parley.service_key, "This key is for programs"),
    ):
        await enter_key(page, key)
        await expect(page.get_by_role("alert")).to_contain_text(sentence)
    await page.reload()
    await expect(page.get_by_label("Or paste a key")).to_be_visible()


async def test_signing_out_forgets_the_key(parley: Parley, open_page: Open) -> None:
    """After signing out nothing of the session is left in the browser."""
    page = await sign_in(open_page, parley)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Or paste a key")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0


async def test_an_open_server_asks_for_a_name(start: Start, open_page: Open) -> None:
    """Where no credentials are asked for, a name is enough to take part."""
    parley = await start(auth="open")
    page = await open_page(parley.url)
    await page.get_by_label("Your name").fill("sam")
    await page.get_by_role("button", name="Enter").click()
    await page.get_by_role("button", name="Join general").click()
    await say(page, "hello from sam")
    await expect(said(page, "hello from sam")).to_be_visible()
    assert (await parley.service.history(GENERAL_ID)).data["messages"][0]["userId"] == "sam"


async def test_markup_is_text(parley: Parley, open_page: Open) -> None:
    """What looks like HTML is shown as it was written, and does not run."""
    page = await sign_in(open_page, parley)
    for text in ("<script>window.ran = 1</script>", "<img src=x onerror='window.ran = 1'>"):
        await say(page, text)
        await expect(said(page, text)).to_be_visible()
    assert await page.locator("[role=log] :is(script, img)").count() == 0
    assert await page.evaluate("window.ran") is None


async def test_addresses_are_links(parley: Parley, open_page: Open) -> None:
    """Web addresses can be followed, other schemes cannot."""
    page = await sign_in(open_page, parley)
    await say(page, "See https://example.org/a_(b), http://example.org. Not javascript:alert(1)\nor ftp://x")
    links = page.get_by_role("log").get_by_role("link")
    await expect(links).to_have_text(["https://example.org/a_(b)", "http://example.org"])
    await expect(links.first).to_have_attribute("rel", "noopener noreferrer")


async def test_shift_enter_begins_a_line(parley: Parley, open_page: Open) -> None:
    """A message can have several lines, and they are kept."""
    page = await sign_in(open_page, parley)
    field = page.get_by_label("Message", exact=True)
    await field.press_sequentially("one")
    await field.press("Shift+Enter")
    await field.press_sequentially("two")
    await field.press("Enter")
    await expect(page.locator(".message .text")).to_have_text("one\ntwo", use_inner_text=True)
    await expect(field).to_have_value("")


async def test_the_limit_is_announced_before_it_is_reached(parley: Parley, open_page: Open) -> None:
    """Characters are counted as the server counts them."""
    page = await sign_in(open_page, parley)
    field = page.get_by_label("Message", exact=True)
    await field.fill("😀" * 3_990)
    await expect(page.get_by_text("10 left")).to_be_visible()
    await field.fill("😀" * 4_001)
    await expect(page.get_by_text("1 too many")).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()


async def test_a_refused_message_says_why(parley: Parley, open_page: Open) -> None:
    """A message that the server does not take stays, with the reason, until it is discarded."""
    page = await sign_in(open_page, parley)
    await say(page, "a bell \x07 rings")
    await expect(page.get_by_role("alert")).to_contain_text("must not contain the control character U+0007")
    await page.get_by_role("button", name="Discard").click()
    await expect(page.get_by_text("No messages yet")).to_be_visible()


async def test_what_is_said_offline_is_sent_later(tmp_path: Path, open_page: Open) -> None:
    """Messages wait while the server is away, and arrive once each, in order; what was missed is shown."""
    data = tmp_path / "data"
    async with serving(data) as first:
        page = await open_page(f"{first.url}/#code={first.sign_in_code}")
        await say(page, "before")
        await expect(said(page, "before")).to_be_visible()
        await crash(first)
    await expect(page.get_by_text("Offline. Trying to connect again…")).to_be_visible()
    await say(page, "one")
    await say(page, "two")
    await expect(page.locator(".pending")).to_have_count(2)
    async with (
        serving(data, port=int(first.url.rpartition(":")[2])) as second,
        aiohttp.ClientSession() as session,
    ):
        await expect(page.locator(".pending")).to_have_count(0)
        await expect(page.locator(".message .text")).to_have_text(["before", "one", "two"])
        await expect(page.get_by_text("Offline")).to_be_hidden()
        service = Rest(session, second.url, {"Authorization": f"Bearer {first.service_key}"})
        assert await service.texts(GENERAL_ID) == ["before", "one", "two"]


async def test_a_lost_answer_does_not_store_a_message_twice(parley: Parley, open_page: Open) -> None:
    """A message whose answer was lost with the connection is sent again, as the same message."""
    sent: list[str] = []
    page = await open_page("about:blank")
    await page.route_web_socket(re.compile("/socket.io/"), lambda socket: cut_at_first_answer(socket, sent))
    await page.goto(parley.url)
    await enter_key(page, await parley.key(Kind.USER, OWNER_ID))
    await say(page, "once")
    await expect(page.locator(".pending")).to_have_count(0)
    await say(page, "and then")
    await expect(said(page, "and then")).to_be_visible()
    assert [text for text in sent if "once" in text][1:], "it was not sent again"
    assert await parley.service.texts(GENERAL_ID) == ["once", "and then"]


def cut_at_first_answer(socket: WebSocketRoute, sent: list[str]) -> None:
    """Pass everything on, but close the connection instead of delivering the first answer to a message."""
    server = socket.connect_to_server()

    def submit(frame: str) -> None:
        if '"submit"' in frame:
            sent.append(frame)
        server.send(frame)

    async def answer(frame: str) -> None:
        is_about_message = '"once"' in frame
        if is_about_message and len(sent) == 1:
            await socket.close()
        else:
            socket.send(frame)

    socket.on_message(submit)
    server.on_message(answer)


async def test_missed_messages_are_caught_up(tmp_path: Path, open_page: Open) -> None:
    """After an absence everything that was missed is shown behind what was there, and nothing twice."""
    data, missed = tmp_path / "data", 1_000
    async with serving(data) as first:
        page = await open_page(f"{first.url}/#code={first.sign_in_code}")
        await say(page, "before")
        await expect(said(page, "before")).to_be_visible()
        await crash(first)
    async with serving(data) as elsewhere, aiohttp.ClientSession() as session:
        service = Rest(session, elsewhere.url, {"Authorization": f"Bearer {first.service_key}"})
        await fill_channel(service, GENERAL_ID, missed)
    async with serving(data, port=int(first.url.rpartition(":")[2])):
        await expect(said(page, f"line {missed - 1}")).to_be_visible()
        expected = ["before", *(f"line {number}" for number in range(missed))]
        assert await page.locator(".message .text").all_inner_texts() == expected


async def scroll_to_the_beginning(page: Page, count: int) -> None:
    """Scroll up, page by page, until there are so many messages."""
    messages = page.locator(".message")
    log = page.get_by_role("log")
    have = await messages.count()
    while have < count:
        await log.evaluate("log => { log.scrollTop = 0 }")
        have = min(have + PAGE, count)
        await expect(messages).to_have_count(have)


async def test_scrolling_up_loads_what_is_older(parley: Parley, open_page: Open) -> None:
    """Older pages come by themselves, and what is in sight stays where it is."""
    await fill_channel(parley.service, GENERAL_ID, 2 * PAGE)
    page = await sign_in(open_page, parley)
    await expect(said(page, f"line {2 * PAGE - 1}")).to_be_in_viewport()
    await expect(page.locator(".message")).to_have_count(PAGE)
    # All are of one author within minutes, so that only the first of them has a byline.
    in_sight = said(page, f"line {PAGE + 5}")
    before = await in_sight.evaluate(
        "(text) => { text.closest('[role=log]').scrollTop = 0; return text.getBoundingClientRect().top }"
    )
    await expect(page.locator(".message")).to_have_count(2 * PAGE)
    after = await in_sight.evaluate("text => text.getBoundingClientRect().top")
    assert abs(after - before) < 1


async def test_news_below_are_announced_to_who_reads_above(parley: Parley, open_page: Open) -> None:
    """A new message does not tear anybody away from what they read."""
    await fill_channel(parley.service, GENERAL_ID, PAGE)
    page = await sign_in(open_page, parley)
    await expect(said(page, f"line {PAGE - 1}")).to_be_in_viewport()
    await page.get_by_role("log").evaluate("log => { log.scrollTop = 0 }")
    await expect(page.get_by_role("button", name="Latest messages")).to_be_visible()
    await parley.service.submit(GENERAL_ID, "news", author_id="mira")
    await page.get_by_role("button", name="New messages").click()
    await expect(said(page, "news")).to_be_in_viewport()


async def test_a_message_changes_and_goes_before_ones_eyes(parley: Parley, open_page: Open) -> None:
    """An edit shows the new text in the place of the old one, and says so; what is deleted is gone."""
    page = await sign_in(open_page, parley)
    for text in ("one", "two", "three"):
        await say(page, text)
    await expect(said(page, "three")).to_be_visible()
    messages = (await parley.service.history(GENERAL_ID)).data["messages"]
    one, two, _three = [message["id"] for message in messages]
    assert (await parley.service.edit(one, "first")).status == 200
    await expect(page.locator(".message .text")).to_have_text(["first", "two", "three"])
    await expect(page.locator(".message", has_text="first")).to_contain_text("(edited)")
    assert (await parley.service.delete_message(two)).status == 200
    await expect(page.locator(".message .text")).to_have_text(["first", "three"])
    await page.reload()
    await expect(page.locator(".message .text")).to_have_text(["first", "three"])
    await expect(page.get_by_text("(edited)")).to_have_count(1)


async def test_what_was_deleted_meanwhile_is_gone(tmp_path: Path, open_page: Open) -> None:
    """Who comes back sees neither what was deleted nor what it said before it was edited."""
    data = tmp_path / "data"
    async with serving(data) as first:
        page = await open_page(f"{first.url}/#code={first.sign_in_code}")
        for text in ("one", "two", "three"):
            await say(page, text)
        await expect(said(page, "three")).to_be_visible()
        await crash(first)
    async with serving(data) as elsewhere, aiohttp.ClientSession() as session:
        service = Rest(session, elsewhere.url, {"Authorization": f"Bearer {first.service_key}"})
        messages = (await service.history(GENERAL_ID)).data["messages"]
        one, *_, three = [message["id"] for message in messages]
        assert (await service.edit(one, "first")).status == 200
        assert (await service.delete_message(three)).status == 200
    async with serving(data, port=int(first.url.rpartition(":")[2])):
        await expect(page.locator(".message .text")).to_have_text(["first", "two"])


async def test_a_channel_is_renamed_cleared_and_deleted_before_ones_eyes(
    parley: Parley, open_page: Open
) -> None:
    """Its new name is in the list and above, its messages vanish, and then it does, and another is left."""
    page = await sign_in(open_page, parley)
    channel_id = await parley.service.new_channel("plans", OWNER_ID)
    path = f"{API}/channels/{channel_id}"
    await channel(page, "plans").click()
    await say(page, "the first plan")
    await parley.service.request("PATCH", path, json={"name": "great-plans", "description": "for later"})
    await expect(page.get_by_role("heading", name="great-plans")).to_be_visible()
    await expect(channel(page, "great-plans")).to_be_visible()
    await parley.service.delete(f"{path}/messages")
    await expect(said(page, "the first plan")).to_have_count(0)
    await say(page, "another plan")
    await expect(said(page, "another plan")).to_be_visible()
    await parley.service.delete(path)
    await expect(channel(page, "great-plans")).to_have_count(0)
    await expect(said(page, "another plan")).to_have_count(0)
    await channel(page, "general").click()
    await say(page, "still here")
    await expect(said(page, "still here")).to_be_visible()


async def test_other_channels_are_marked_when_unread(parley: Parley, open_page: Open) -> None:
    """A channel that has news is marked until it is opened, also across a reload."""
    owner = await parley.user(OWNER_ID)
    plans = await owner.new_channel("plans")
    page = await sign_in(open_page, parley)
    await channel(page, "general").click()
    await parley.service.submit(plans, "look here", author_id="mira")
    await expect(channel(page, "plans unread")).to_be_visible()
    await expect(page).to_have_title("• general · Parley")
    await page.reload()
    await channel(page, "plans unread").click()
    await expect(said(page, "look here")).to_be_visible()
    await expect(channel(page, "plans unread")).to_have_count(0)


async def test_people_see_each_other_type_and_talk(parley: Parley, open_page: Open) -> None:
    """Who types is named to the others, until they have said it or given up."""
    owner = await sign_in(open_page, parley)
    await expect(owner.get_by_text("No messages yet")).to_be_visible()
    page = await open_page(parley.url)
    await enter_key(page, await parley.key(Kind.USER, "mira", "Mira"))
    await channel(page, "general").click()
    await expect(owner.get_by_text("2 participants")).to_be_visible()
    await page.get_by_label("Message", exact=True).press_sequentially("hi")
    await expect(owner.get_by_text("Mira is typing…")).to_be_visible()
    await page.get_by_label("Message", exact=True).press("Enter")
    await expect(said(owner, "hi")).to_be_visible()
    await expect(owner.get_by_text("Mira is typing…")).to_be_hidden()
    await page.get_by_label("Message", exact=True).press_sequentially("well")
    await expect(owner.get_by_text("Mira is typing…")).to_be_visible()
    await expect(owner.get_by_text("Mira is typing…")).to_be_hidden()


async def test_a_channel_is_created_in_a_dialog(parley: Parley, open_page: Open) -> None:
    """A name that the server does not allow is explained by the server; a good one opens the channel."""
    page = await sign_in(open_page, parley)
    await page.get_by_role("button", name="Create a channel").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("two words")
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Field 'name' may hold letters, digits")
    await dialog.get_by_label("Name").fill("plans")
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("heading", name="plans")).to_be_visible()
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()


async def test_on_a_phone_the_channels_are_in_a_drawer(parley: Parley, open_page: Open) -> None:
    """On a narrow screen the list comes when it is called, and goes when a channel is chosen."""
    await (await parley.user(OWNER_ID)).new_channel("plans")
    page = await sign_in(open_page, parley, viewport=PHONE, has_touch=True, is_mobile=True)
    opener = page.get_by_role("main").get_by_role("button", name="Channels")
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await opener.tap()
    await expect(page.get_by_role("button", name="Close")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await expect(opener).to_be_focused()
    await opener.tap()
    await channel(page, "plans").tap()
    await expect(page.get_by_role("heading", name="plans")).to_be_visible()
    await expect(page.get_by_role("navigation")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


async def test_a_page_may_listen_with_an_event_source(parley: Parley, open_page: Open) -> None:
    """EventSource sends no headers: with a ticket a page gets what it missed, and what comes, once."""
    channel_id = await parley.service.new_channel("talk", "ann")
    ann = await parley.user("ann")
    after = (await poll(ann))["cursor"]
    await parley.service.submit(channel_id, "one", author_id="ann")
    page = await open_page(parley.url)
    show = "const show = (_, {text}) => document.body.append(text + ';')"
    code = f"{example('listen')}\n{show}\nlisten(location.origin, key, show, after)"
    await page.evaluate(f"([key, after]) => {{ {code} }}", [ann.secret, after])
    await expect(page.locator("body")).to_contain_text("one;")
    await parley.service.submit(channel_id, "two", author_id="ann")
    await expect(page.locator("body")).to_contain_text("one;two;")
