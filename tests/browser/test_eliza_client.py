"""elizaOS's own web client, as npm has it, in a real browser: what its users do works with Parley."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from rooms import rules
from rooms.principals import Kind
from server.first_start import GENERAL_ID
from tests import services
from tests.browser.conversing import Agent
from tests.browser.eliza_client import find_build
from tests.browser.surfing import Open
from tests.rest import API
from tests.running import Parley, Served, Start, run_parley, serving
from tests.talking import talking

ADA, BOB = "ada00000-0000-4000-8000-000000000001", "b0b00000-0000-4000-8000-000000000002"
SHOTS = Path(os.environ.get("PARLEY_TEST_SHOTS", Path(__file__).parent / ".cache" / "screenshots"))
MODES = ["open", "keyed"]
# What the client would ask strangers for; it goes on without.
_STRANGERS = re.compile(r"https://(api\.github\.com|raw\.githubusercontent\.com|api\.elevenlabs\.io)/")

Shoot = Callable[[Page, str], Awaitable[None]]


@pytest.fixture
def build() -> Path:
    """Give the folder of the client's build."""
    return find_build() or services.missing("elizaOS's web client (python -m tests.browser.eliza_client)")


@pytest.fixture
async def open_client(browser: Browser) -> AsyncIterator[Open]:
    """Give a function that opens an address in a browser that knows nothing; the page must not fail."""
    faults: list[str] = []

    def note_violation(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text and not _STRANGERS.search(message.text):
            faults.append(message.text)

    def note_fault(error: str) -> None:
        if error != "Failed to fetch":  # as long as a server is away
            faults.append(error)

    async def open_with(address: str, **options: object) -> Page:
        context = await browser.new_context(viewport={"width": 1400, "height": 900}, **options)
        page = await context.new_page()
        page.on("pageerror", lambda error: note_fault(str(error)))
        page.on("console", note_violation)
        page.on("response", lambda response: faults.append(response.url) if response.status == 429 else None)
        await page.goto(address)
        return page

    yield open_with
    assert faults == []


@pytest.fixture
async def shoot(request: pytest.FixtureRequest) -> Shoot:
    """Give a function that keeps what a page shows under the test's name."""

    async def take(page: Page, name: str) -> None:
        await page.screenshot(path=SHOTS / f"{request.node.name}-{name}.png")

    return take


async def enter(open_client: Open, url: str, key: str | None) -> Page:
    """Open the client, and pass its door if a key is needed."""
    page = await open_client(f"{url}/sign-in" if key else url)
    if key:
        await enter_key(page, key)
    # A tour lies above everything until somebody has had enough of it.
    await page.get_by_role("button", name="Skip").click()
    return page


async def enter_key(page: Page, key: str) -> None:
    """Offer a key at the door."""
    await page.get_by_label("Or paste a key").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def open_chat(page: Page, name: str) -> None:
    """Choose an agent in the list, and wait until it can be written to."""
    await page.get_by_test_id("app-sidebar").get_by_role("link", name=name).click()
    await begin(page)


async def begin(page: Page) -> None:
    """Wait until a new chat can be written to: what is said before it has read its history it forgets."""
    await expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    await expect(page.get_by_text("No messages yet")).to_be_visible()


async def say(page: Page, text: str) -> None:
    """Write a message and send it."""
    await expect(page.get_by_test_id("chat-input")).to_be_enabled()
    await page.get_by_test_id("chat-input").fill(text)
    await page.get_by_test_id("chat-input").press("Enter")


def chat(page: Page) -> Locator:
    """Find what has been said."""
    return page.get_by_test_id("chat-messages")


@asynccontextmanager
async def agents_of(url: str, keys: dict[str, str]) -> AsyncIterator[dict[str, Agent]]:
    """Connect agents, by name, which take part in the channel of everybody."""
    async with AsyncExitStack() as stack:
        connected = {}
        for name, key in keys.items():
            talker = await stack.enter_async_context(talking(url, {"token": key}))
            await talker.data("join", {"channel_id": GENERAL_ID})
            connected[name] = Agent(talker)
        yield connected


async def answer(agent: Agent, text: str, count: int = 1) -> None:
    """Stream a reply, word by word, to the run that comes as number ``count``."""
    run = await agent.asked(count)
    for index, word in enumerate(text.split()):
        await agent.stream(run, index, f"{word} ")
    await agent.complete(run)


async def keys_of_agents(parley: Parley) -> dict[str, str]:
    """Make keys for two agents."""
    return {name: await parley.key(Kind.AGENT, who, name) for who, name in ((ADA, "Ada"), (BOB, "Bob"))}


@pytest.mark.parametrize("mode", MODES)
async def test_a_chat_with_an_agent(
    start: Start, open_client: Open, build: Path, shoot: Shoot, mode: str
) -> None:
    """The agents are listed; a reply grows while it is said; what was said is there after a reload."""
    parley = await start(ui="eliza", ui_dir=build, auth=mode, rate_limits="on")
    key = await parley.key(Kind.USER, "carol") if mode == "keyed" else None
    async with agents_of(parley.url, await keys_of_agents(parley)) as agents:
        page = await enter(open_client, parley.url, key)
        for name in ("Ada", "Bob"):
            await expect(page.get_by_test_id("agent-card").get_by_text(name, exact=True)).to_be_visible()
        await shoot(page, "agents")
        await open_chat(page, "Ada")
        await say(page, "what is two and two?")
        run = await agents["Ada"].asked()
        await agents["Ada"].stream(run, 0, "That ")
        await agents["Ada"].stream(run, 1, "is ")
        await expect(chat(page)).to_contain_text("That is")
        await shoot(page, "stream")
        await agents["Ada"].stream(run, 2, "four.")
        await agents["Ada"].complete(run)
        await expect(chat(page)).to_contain_text("That is four.")
        await say(page, "are you sure?")
        await agents["Ada"].complete(await agents["Ada"].asked(2), response="Quite.")
        await expect(chat(page)).to_contain_text("Quite.")
        # Nothing twice, everything in its place.
        said = re.compile(r"what is two and two\?\s*That is four\..*are you sure\?\s*Quite\.", re.DOTALL)
        await expect(chat(page)).to_have_text(said)
        await page.reload()
        await expect(chat(page)).to_have_text(said)
        await expect(chat(page).get_by_text("Quite.")).to_have_count(1)
        await shoot(page, "history")
    if mode == "keyed":
        assert await page.evaluate("localStorage['elizaos-client-user-id']") == "carol"


@pytest.mark.parametrize("mode", MODES)
async def test_a_group_with_two_agents(
    start: Start, open_client: Open, build: Path, shoot: Shoot, mode: str
) -> None:
    """Both answer, and are told apart; whoever is chosen above is seen alone."""
    parley = await start(ui="eliza", ui_dir=build, auth=mode, rate_limits="on")
    key = await parley.key(Kind.USER, "carol") if mode == "keyed" else None
    async with agents_of(parley.url, await keys_of_agents(parley)) as agents:
        page = await enter(open_client, parley.url, key)
        await page.goto(f"{parley.url}/group/new")
        await page.get_by_label("Chat Name").fill("The two of them")
        await page.get_by_text("Select agents...").click()
        for name in ("Ada", "Bob"):
            await page.locator("main .max-h-60 > div").filter(has_text=name).click()
        await page.get_by_text("Create Group Chat").click()  # the list of agents lies above the button
        await page.get_by_role("button", name="Create Group").click()
        await page.get_by_test_id("app-sidebar").get_by_role("link", name="The two of them").click()
        await expect(page).to_have_url(re.compile("/group/[0-9a-f-]{36}"))
        await begin(page)
        await say(page, "who are you?")
        await asyncio.gather(
            answer(agents["Ada"], "I am Ada, of course."), answer(agents["Bob"], "And I am Bob.")
        )
        for text in ("I am Ada, of course.", "And I am Bob."):
            await expect(chat(page).get_by_text(text)).to_have_count(1)
        await shoot(page, "group")
        await page.reload()
        # The page may have chosen the agent that it had learnt of first.
        for name in ("Ada", "Bob"):
            await expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
        await page.get_by_role("button", name="All", exact=True).click()
        for text in ("who are you?", "I am Ada, of course.", "And I am Bob."):
            await expect(chat(page).get_by_text(text)).to_have_count(1)


@pytest.mark.parametrize("mode", MODES)
async def test_thirty_groups_and_five_reloads_in_a_minute(
    start: Start, open_client: Open, build: Path, mode: str
) -> None:
    """The page asks for each group by itself each time, and is never told to wait."""
    parley = await start(ui="eliza", ui_dir=build, auth=mode, rate_limits="on")
    key = await parley.key(Kind.USER, "carol") if mode == "keyed" else None
    async with agents_of(parley.url, await keys_of_agents(parley)):
        page = await enter(open_client, parley.url, key)
        user = await page.evaluate("localStorage['elizaos-client-user-id']")
        for number in range(30):
            members = {"participantCentralUserIds": [user, ADA], "message_server_id": rules.DEFAULT_SERVER_ID}
            group = {"name": f"group {number}", "type": "GROUP", **members}
            assert (await parley.service.post(f"{API}/channels", group)).status == 201
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if API in request.url else None)
        groups = page.get_by_test_id("app-sidebar").get_by_role("link", name=re.compile("group [0-9]+"))
        for _ in range(5):
            await page.reload()
            await expect(groups).to_have_count(30)
            await page.wait_for_load_state("networkidle")
    assert len(asked) >= 5 * 30


@pytest.mark.parametrize("mode", MODES)
async def test_a_chat_outlives_its_server(
    tmp_path: Path, open_client: Open, build: Path, shoot: Shoot, mode: str
) -> None:
    """Killed and started again with the chat open: what comes next arrives, and nothing comes twice."""
    data_dir = tmp_path / "data"
    options = ("--ui", "eliza", "--ui-dir", str(build))
    async with serving(data_dir, *options, PARLEY_AUTH=mode) as first, aiohttp.ClientSession() as session:
        keys = {"Ada": await make_key(data_dir, "agent", ADA, "Ada")}
        key = await make_key(data_dir, "user", "carol", "Carol") if mode == "keyed" else None
        service = await make_key(data_dir, "service", "operator", "operator")
        page = await enter(open_client, first.url, key)
        async with agents_of(first.url, keys) as agents:
            await page.reload()
            await open_chat(page, "Ada")
            await say(page, "hello")
            await answer(agents["Ada"], "Hello yourself.")
            await expect(chat(page)).to_contain_text("Hello yourself.")
            await kill(first)
        await expect(page.get_by_text("Disconnected", exact=True)).to_be_visible()
        await shoot(page, "killed")
        port = int(first.url.rpartition(":")[2])
        async with serving(data_dir, *options, port=port, PARLEY_AUTH=mode) as second:
            # Before the page is back, perhaps: it is told then.
            channel_id = page.url.rpartition("/")[2]
            headers = {"Authorization": f"Bearer {service}"}
            said = {"channel_id": channel_id, "author_id": ADA, "content": "I am back."}
            async with session.post(
                f"{second.url}/api/messaging/submit", json=said, headers=headers
            ) as response:
                assert response.status == 201, await response.text()
            await expect(chat(page)).to_contain_text("I am back.")
            async with agents_of(second.url, keys) as agents:
                await say(page, "and I am still here")
                await answer(agents["Ada"], "So it seems.")
                await expect(chat(page)).to_contain_text("So it seems.")
            await shoot(page, "returned")
            for text in ("hello", "Hello yourself.", "I am back.", "and I am still here", "So it seems."):
                await expect(chat(page).get_by_text(text, exact=True)).to_have_count(1)


async def test_the_pages_way_back_through_a_history_ends_at_its_beginning(
    start: Start, open_client: Open, build: Path
) -> None:
    """What its paging function would ask for is answered whole, though nothing in the page calls that."""
    parley = await start(ui="eliza", ui_dir=build, auth="open")
    async with agents_of(parley.url, await keys_of_agents(parley)):
        page = await enter(open_client, parley.url, None)
        await open_chat(page, "Ada")
        await expect(page).to_have_url(re.compile(f"/chat/{ADA}/[0-9a-f-]{{36}}"))
        channel_id = page.url.rpartition("/")[2]
        said = [f"message {number}" for number in range(100)]
        for text in said:
            assert (await parley.anonymous.submit(channel_id, text, author_id=ADA)).status == 201
        await page.reload()
        await expect(chat(page)).to_contain_text("message 99")
        await expect(chat(page).get_by_text(re.compile("^message"))).to_have_count(30)
        assert await page.evaluate(_PAGE_BACK, channel_id) == said


# As useChannelMessages does it: a page of 30, then what is older than the oldest, less one millisecond.
_PAGE_BACK = """async (channelId) => {
  const seen = new Map();
  for (let before, full = true; full;) {
    const query = new URLSearchParams({ limit: 30, ...(before && { before }) });
    const answer = await fetch(`/api/messaging/channels/${channelId}/messages?${query}`);
    const { messages } = (await answer.json()).data;
    for (const one of messages) seen.set(one.id, { text: one.content, at: Date.parse(one.createdAt) });
    before = new Date(Math.min(...messages.map((one) => Date.parse(one.createdAt))) - 1).toISOString();
    full = messages.length >= 30;
  }
  return [...seen.values()].reverse().sort((a, b) => a.at - b.at).map((one) => one.text);
}"""


async def test_a_key_that_the_clients_own_dialog_has_stored(
    start: Start, open_client: Open, build: Path, shoot: Shoot
) -> None:
    """Beside it the client makes up an id for its user; it chats all the same, and learns the right one."""
    parley = await start(ui="eliza", ui_dir=build)
    key = await parley.key(Kind.USER, "carol")
    async with agents_of(parley.url, await keys_of_agents(parley)) as agents:
        page = await open_client(parley.url)
        await page.evaluate("key => localStorage[`eliza-api-key-${location.origin}`] = key", key)
        made_up = await page.evaluate("localStorage['elizaos-client-user-id']")
        await page.goto(f"{parley.url}/chat/{ADA}")
        await expect(page.get_by_test_id("chat-input")).to_be_visible()
        await say(page, "do you know me?")
        await answer(agents["Ada"], "You are Carol.")
        await page.reload()
        for text in ("do you know me?", "You are Carol."):
            await expect(chat(page).get_by_text(text)).to_have_count(1)
        await shoot(page, "known")
        assert await page.evaluate("localStorage['elizaos-client-user-id']") == "carol" != made_up
    channel_id = page.url.rpartition("/")[2]
    (told, *_) = (await parley.service.history(channel_id, order="asc")).data["messages"]
    assert (told["text"], told["userId"]) == ("do you know me?", "carol")


async def test_a_sign_in_link_leads_into_the_client(tmp_path: Path, open_client: Open, build: Path) -> None:
    """The client knows from the start whom the key belongs to; the code is gone from the address."""
    options = ("--ui", "eliza", "--ui-dir", str(build))
    async with serving(tmp_path / "data", *options) as served:
        page = await open_client(f"{served.url}/sign-in#code={served.sign_in_code}")
        await expect(page).to_have_url(f"{served.url}/")
        assert await page.evaluate("localStorage['elizaos-client-user-id']") == "owner"
        await page.goto(f"{served.url}/sign-in#code={served.sign_in_code}")
        await expect(page.get_by_role("alert")).to_contain_text("The code is spent or too old")


async def test_the_door_takes_the_keys_of_people_and_the_shared_one(
    start: Start, open_client: Open, build: Path
) -> None:
    """With a service's key each browser stays whom the client makes up; an agent's is none for a page."""
    parley = await start(ui="eliza", ui_dir=build)
    agent_key = await parley.key(Kind.AGENT, ADA, "Ada")
    page = await open_client(f"{parley.url}/sign-in")
    refused = (("parley_nonsense", "This key is not known here"), (agent_key, "This key is for an agent"))
    for key, sentence in refused:
        await enter_key(page, key)
        await expect(page.get_by_role("alert")).to_contain_text(sentence)
        assert await page.evaluate("localStorage.length") == 0
    made_up = "cccccccc-0000-4000-8000-000000000003"
    await page.evaluate("id => localStorage['elizaos-client-user-id'] = id", made_up)
    await enter_key(page, parley.service_key)
    await expect(page).to_have_url(f"{parley.url}/")
    assert await page.evaluate("localStorage['elizaos-client-user-id']") == made_up
    await page.get_by_role("button", name="Skip").click()
    await expect(page.get_by_test_id("agent-card").get_by_text("Ada", exact=True)).to_be_visible()


async def make_key(data_dir: Path, kind: str, who: str, name: str) -> str:
    """Make a key with the command that does that."""
    options: tuple[Any, ...] = ("--kind", kind, "--id", who, "--name", name, "--data-dir", str(data_dir))
    code, said = await run_parley("keys", "create", *options)
    assert code == 0, said
    return said.strip()


async def kill(served: Served) -> None:
    """End a process without letting it say anything."""
    served.process.kill()
    await served.process.wait()
