"""What the page shows of agents that were stopped because they talked to each other."""

from playwright.async_api import Locator, Page, expect

from rooms.principals import Kind
from tests.browser.conversing import agent_in_general
from tests.browser.surfing import Open, channel, enter_key, said, say, sign_in
from tests.running import Parley, Start

TOO_FAR = (
    "Agents have answered each other too often without a person. They are paused here until somebody writes."
)


def notice(page: Page) -> Locator:
    """Find the notice that agents are paused."""
    return page.locator(".pause p")


async def go_too_far(parley: Parley, page: Page) -> None:
    """Let one agent answer a person, and another answer that, which is one answer too many."""
    async with agent_in_general(parley, "one", "One") as one, agent_in_general(parley, "two", "Two") as two:
        await say(page, "hello")
        await two.complete(await two.asked())
        await one.complete(await one.asked(), response="hello yourself")
        await two.complete(await two.asked(2), response="and you")
        await expect(said(page, "and you")).to_be_visible()


async def test_a_pause_says_why_until_a_person_writes(start: Start, open_page: Open) -> None:
    """It is still there after a reload."""
    parley = await start(max_hops=2)
    page = await sign_in(open_page, parley)
    await expect(notice(page)).to_have_count(0)
    await go_too_far(parley, page)
    await expect(notice(page)).to_have_text(TOO_FAR)
    await page.reload()
    await expect(notice(page)).to_have_text(TOO_FAR)
    await say(page, "I am here")
    await expect(notice(page)).to_have_count(0)
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_only_who_may_is_offered_to_let_agents_go_on(start: Start, open_page: Open) -> None:
    """Everybody sees the notice; the owner of the channel ends it."""
    parley = await start(max_hops=2)
    owner = await sign_in(open_page, parley)
    mira = await open_page(parley.url)
    await enter_key(mira, await parley.key(Kind.USER, "mira", "Mira"))
    await channel(mira, "general").click()
    await go_too_far(parley, owner)
    await expect(notice(mira)).to_have_text(TOO_FAR)
    await expect(mira.get_by_role("button", name="Let them go on")).to_have_count(0)
    await owner.get_by_role("button", name="Let them go on").click()
    await expect(notice(owner)).to_have_count(0)
    await expect(notice(mira)).to_have_count(0)
