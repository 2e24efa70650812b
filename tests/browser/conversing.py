"""Agents that talk with people on the web page, as a test tells them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page

from rooms.principals import Kind
from server.first_start import GENERAL_ID
from tests.running import Parley
from tests.talking import Talker, talking

MARKUP = "<img src=x onerror='window.ran = 1'>"


@dataclass(frozen=True)
class Agent:
    """An agent that does what the test tells it."""

    talker: Talker

    async def asked(self, count: int = 1) -> dict[str, Any]:
        """Wait for so many runs to be opened for it, and return the last."""
        waiting: list[dict[str, Any]] = []
        for seen in range(1, 1_000):
            run = (await self.talker.wait_for("run", seen))[seen - 1]["run"]
            if run["state"] == "queued" and run["agent_id"] == self.talker.all("ready")[0]["principal"]["id"]:
                waiting.append(run)
            if len(waiting) == count:
                return run
        raise AssertionError

    async def stream(self, run: dict[str, Any], index: int, chunk: str) -> None:
        """Say a part of the reply."""
        place = {"message_id": run["reply_id"], "channel_id": run["channel_id"]}
        await self.talker.data("stream", {**place, "index": index, "chunk": chunk})

    async def complete(self, run: dict[str, Any], **outcome: Any) -> None:
        """End a run."""
        await self.talker.data("complete", {"run_id": run["id"], **outcome})


@asynccontextmanager
async def agent_in_general(parley: Parley, who: str = "bot", name: str = "Bot") -> AsyncIterator[Agent]:
    """Connect an agent that takes part in the channel of everybody."""
    key = await parley.key(Kind.AGENT, who, name)
    async with talking(parley.url, {"token": key}) as talker:
        await talker.data("join", {"channel_id": GENERAL_ID})
        yield Agent(talker)


def thinking(page: Page) -> Locator:
    """Find the line that says which agents are busy."""
    return page.locator(".thinking")


def note(page: Page, text: str) -> Locator:
    """Find what is noted at the message that says this."""
    return page.locator(".message", has=page.get_by_text(text, exact=True)).locator(".note")
