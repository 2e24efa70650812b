"""Mentions on the page: shown where they stand, and offered to who begins one."""

from playwright.async_api import Locator, Page, expect

from server.first_start import GENERAL_ID, OWNER_ID
from tests.browser.conversing import MARKUP, agent_in_general, note
from tests.browser.surfing import PHONE, Open, said, say, sign_in
from tests.running import Parley


def marked(page: Page) -> Locator:
    """Find the mentions in what was said."""
    return page.get_by_role("log").locator(".mention")


def offered(page: Page) -> Locator:
    """Find those who are offered to be mentioned."""
    return page.get_by_role("listbox", name="Mention somebody").get_by_role("option")


async def join(parley: Parley, who: str, name: str) -> None:
    """Let somebody take part in the channel of everybody."""
    user = await parley.user(who, name)
    assert (
        await user.post(f"/api/messaging/channels/{GENERAL_ID}/participants", {"userId": who})
    ).status < 300


async def test_mentions_are_set_off_and_ones_own_more(parley: Parley, open_page: Open) -> None:
    """Only where the server has understood one, and not within longer words and addresses."""
    await join(parley, "mira", "Mira")
    page = await sign_in(open_page, parley)
    text = "@mira, and @owner! @miracle @nobody https://example.org/@mira mira@mira.org @[Boss](mira)"
    await parley.service.submit(GENERAL_ID, text, author_id="mira")
    await expect(marked(page)).to_have_text(["@mira", "@owner"])
    await expect(page.locator(".mention.mine")).to_have_text(["@owner"])
    await parley.service.submit(GENERAL_ID, "@[Boss](mira) says", author_id=OWNER_ID)
    await expect(page.locator(".message .text").last).to_have_text("@Mira says")
    await page.reload()
    await expect(marked(page)).to_have_text(["@mira", "@owner", "@Mira"])


async def test_a_name_of_several_says_that_it_reached_nobody(parley: Parley, open_page: Open) -> None:
    """To whoever has written it."""
    for who in ("sam1", "sam2"):
        await join(parley, who, "Sam")
    page = await sign_in(open_page, parley)
    await say(page, "@Sam?")
    await expect(note(page, "@Sam?")).to_have_text(
        "@Sam is the name of several participants: nobody was told."
    )
    await expect(marked(page)).to_have_count(0)


async def test_participants_are_offered_to_the_keyboard(parley: Parley, open_page: Open) -> None:
    """Arrows choose, Enter takes, Escape leaves it; Enter sends only when nothing is offered."""
    await join(parley, "mira", "Mira Lind")
    await join(parley, "0c9d2f5e-0000-4000-8000-000000000001", "Michael")
    async with agent_in_general(parley):
        page = await sign_in(open_page, parley)
        field = page.get_by_label("Message", exact=True)
        await field.press_sequentially("ask @")
        await expect(offered(page)).to_have_count(3)
        await field.press_sequentially("mi")
        await expect(offered(page).locator(".author")).to_have_text(["Mira Lind", "Michael"])
        await field.press("Escape")
        await expect(offered(page)).to_have_count(0)
        await field.press_sequentially("r")
        await field.press("Enter")
        await expect(field).to_have_value("ask @mira ")
        await field.press_sequentially("and @")
        await field.press("ArrowUp")
        await field.press("Tab")
        await expect(field).to_be_focused()
        await field.press_sequentially("now")
        await field.press("Enter")
        await expect(field).to_have_value("")
        await expect(marked(page)).to_have_count(2)


async def test_participants_are_offered_to_the_finger(parley: Parley, open_page: Open) -> None:
    """A touch takes one, and the text goes on behind it."""
    await join(parley, "mira", "Mira")
    page = await sign_in(open_page, parley, viewport=PHONE, has_touch=True, is_mobile=True)
    field = page.get_by_label("Message", exact=True)
    await field.tap()
    await field.press_sequentially("(@M")
    await offered(page).tap()
    await expect(field).to_have_value("(@mira ")
    await expect(field).to_be_focused()


async def test_an_address_offers_nobody(parley: Parley, open_page: Open) -> None:
    """An @ within a word is none."""
    await join(parley, "mira", "Mira")
    page = await sign_in(open_page, parley)
    field = page.get_by_label("Message", exact=True)
    await field.press_sequentially("owner@m")
    await expect(offered(page)).to_have_count(0)
    await field.press_sequentially(" @m")
    await expect(offered(page)).to_have_count(1)


async def test_markup_in_names_is_text(parley: Parley, open_page: Open) -> None:
    """Where they are offered, and where they are shown."""
    await join(parley, "mira", MARKUP)
    page = await sign_in(open_page, parley)
    field = page.get_by_label("Message", exact=True)
    await field.press_sequentially("@mi")
    await expect(offered(page)).to_contain_text(MARKUP)
    await field.press("Enter")
    await field.press("Enter")
    await say(page, "@[x](mira)")
    await expect(said(page, f"@{MARKUP}")).to_be_visible()
    assert await page.locator("main :is(img, script)").count() == 0
    assert await page.evaluate("window.ran") is None
