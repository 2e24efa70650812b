"""What agents ask people for, on the page."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from rooms.principals import Kind
from server import overdue
from server.first_start import GENERAL_ID
from tests.browser.conversing import MARKUP, Agent, agent_in_general, thinking
from tests.browser.surfing import Open, channel, enter_key, say, sign_in
from tests.running import Parley

QUESTION = "Shall I delete 42 files?"


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server look after approvals more often than people would notice."""
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.05)


async def ask(agent: Agent, **approval: Any) -> str:
    """Let an agent ask for a decision, and return the message's id."""
    chosen = {"options": ["delete", "keep"], "expires_in": 60, **approval}
    message = {"channel_id": GENERAL_ID, "content": QUESTION, "approval": chosen}
    message_id: str = (await agent.talker.data("submit", message))["id"]
    return message_id


def question(page: Page) -> Locator:
    """Find the message that asks."""
    return page.locator(".message").filter(has_text=QUESTION)


async def test_a_person_decides_what_an_agent_asks(parley: Parley, open_page: Open) -> None:
    """The options are buttons until one is chosen; then everybody sees who chose what."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        mira = await open_page(parley.url)
        await enter_key(mira, await parley.key(Kind.USER, "mira", "Mira"))
        await channel(mira, "general").click()
        await say(page, "clean up, please")
        await agent.talker.data("claim_run", {"run_id": (await agent.asked())["id"]})
        await ask(agent)
        await expect(thinking(page)).to_have_text("Bot needs a decision…")
        await expect(question(page).get_by_role("button")).to_have_text(["delete", "keep"])
        await question(mira).get_by_role("button", name="keep").click()
        await expect(question(page)).to_contain_text("Mira chose keep")
        await expect(question(mira)).to_contain_text("You chose keep")
        await expect(page.locator(".options")).to_have_count(0)
        await expect(thinking(page)).to_have_text("Bot is thinking…")
        await page.reload()
        await expect(question(page)).to_contain_text("Mira chose keep")
        (_, decided) = await agent.talker.wait_for("approval", 2)
        assert decided["approval"]["choice"] == "keep"


async def test_only_who_may_decide_is_given_buttons(parley: Parley, open_page: Open) -> None:
    """Others see what can be chosen."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        mira = await open_page(parley.url)
        await enter_key(mira, await parley.key(Kind.USER, "mira", "Mira"))
        await channel(mira, "general").click()
        await expect(page.get_by_text("3 participants")).to_be_visible()
        await ask(agent, allowed=["mira"])
        await expect(question(mira).get_by_role("button", name="delete")).to_be_visible()
        await expect(question(page)).to_contain_text("Others decide: delete keep")
        await expect(question(page).get_by_role("button")).to_have_count(0)


async def test_a_question_that_nobody_decides_says_that_the_time_is_over(
    parley: Parley, open_page: Open
) -> None:
    """That is no alert, and there is nothing to press any more."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await ask(agent, expires_in=60)
        await expect(question(page).get_by_role("button")).to_have_count(2)
        parley.pass_time(61)
        await expect(question(page)).to_contain_text("The time to decide is over. Nobody has chosen.")
        await expect(question(page).get_by_role("button")).to_have_count(0)
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_markup_in_options_is_text(parley: Parley, open_page: Open) -> None:
    """On the buttons, and in what was chosen."""
    async with agent_in_general(parley) as agent:
        page = await sign_in(open_page, parley)
        await ask(agent, options=[MARKUP, "no"])
        await question(page).get_by_role("button", name=MARKUP).click()
        await expect(question(page)).to_contain_text(f"You chose {MARKUP}")
        assert await page.locator("main :is(img, script)").count() == 0
        assert await page.evaluate("window.ran") is None
