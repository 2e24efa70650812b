"""What people do on the web page, in a real browser."""

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import Locator, Page, expect

from rooms.principals import Kind
from server.first_start import OWNER_ID
from tests.running import Parley

PHONE = {"width": 360, "height": 740}

Open = Callable[..., Awaitable[Page]]

expect.set_options(timeout=30_000)


async def sign_in(open_page: Open, parley: Parley, who: str = OWNER_ID, **options: object) -> Page:
    """Open the page and sign in with a key."""
    page = await open_page(parley.url, **options)
    await enter_key(page, await parley.key(Kind.USER, who))
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()
    return page


async def enter_key(page: Page, key: str) -> None:
    """Paste a key."""
    await page.get_by_label("Or paste a key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def say(page: Page, text: str) -> None:
    """Write a message and send it."""
    field = page.get_by_label("Message", exact=True)
    await field.fill(text)
    await field.press("Enter")


def said(page: Page, text: str) -> Locator:
    """Find the messages that say just this and have been stored."""
    return page.locator(".message:not(.pending, .failed) .text").get_by_text(text, exact=True)


def channel(page: Page, name: str) -> Locator:
    """Find a channel in the list."""
    return page.get_by_role("navigation").get_by_role("button", name=re.compile(f"^{name}"))
