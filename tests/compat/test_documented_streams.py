"""The examples of docs/api.md that follow a log, as their readers copy them."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.following import EVENTS, poll
from tests.running import Parley

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PATIENCE = 60.0
SHOW = "const show = (...told) => console.log(JSON.stringify(told));"
TEXT = "first\nline\u2028second \U0001f600"


def example(name: str) -> str:
    """Return the JavaScript that defines a function."""
    blocks: list[str] = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
    (found,) = [code for code in blocks if f"function {name} (" in code]
    return found


async def test_the_example_with_fetch_follows_a_log(node: str, parley: Parley) -> None:
    """It is shown what it missed and what comes, and knows where to go on after the end."""
    channel_id = await parley.service.new_channel("talk", "ann")
    ann = await parley.user("ann")
    cursor = (await poll(ann))["cursor"]
    await parley.service.submit(channel_id, TEXT, author_id="ann")
    call = f"follow(...{json.dumps([parley.url, ann.secret])}, show, {json.dumps(cursor)})"
    script = f"{example('follow')}\n{SHOW}\n{call}.then(cursor => show('end', cursor))"
    process = await asyncio.create_subprocess_exec(
        node, "--input-type=module", "--eval", script, stdout=asyncio.subprocess.PIPE
    )

    async def shown() -> tuple[str, Any]:
        assert process.stdout is not None
        name, data = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
        return name, data

    assert (await shown())[0] == "ready"
    name, missed = await shown()
    assert (name, missed["text"]) == ("message", TEXT)
    await parley.service.submit(channel_id, "live", author_id="ann")
    name, live = await shown()
    assert (name, live["text"]) == ("message", "live")
    process.kill()
    await process.communicate()


# Sources that are told something, and then refused.
SOURCES = """
const told = [['message', 'a cursor'], ['ready', '']]
class EventSource {
  static CLOSED = 2
  constructor (url) {
    const query = new URL(url).searchParams
    show('opened', { ticket: query.get('ticket'), after: query.get('after') })
    queueMicrotask(() => this.hear(...told.shift()))
  }
  addEventListener (name, hear) { this[name] = hear }
  hear (name, lastEventId) {
    this[name]({ data: '{}', lastEventId })
    this.readyState = EventSource.CLOSED
    this.onerror()
  }
}
const setTimeout = (call, _ms, ...rest) => globalThis.setTimeout(call, 0, ...rest)
"""


async def test_the_example_with_event_source_outlives_refusals(node: str) -> None:
    """Whatever answers in the server's place, it tries again and goes on; a bad key ends it, and is told."""
    refused = {"code": "AUTHENTICATION_FAILED"}
    answers = iter(
        [
            web.json_response({"data": {"ticket": "one"}}),
            web.json_response({"error": {"code": "UNAVAILABLE"}}, status=503),
            web.Response(text="<html>Bad gateway</html>", status=502),
            web.Response(text="<html>Sign in to this network</html>"),
            web.json_response({"data": {"ticket": "two"}}),
            web.json_response({"error": refused}, status=401),
        ]
    )

    async def answer(_request: web.Request) -> web.Response:
        return next(answers)

    app = web.Application()
    app.router.add_post(f"{EVENTS}/ticket", answer)
    async with TestServer(app) as server:
        call = f"listen({json.dumps(str(server.make_url('/')).rstrip('/'))}, 'a key', show)"
        process = await asyncio.create_subprocess_exec(
            node,
            "--input-type=module",
            "--eval",
            f"{SHOW}\n{SOURCES}\n{example('listen')}\n{call}",
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert [json.loads(line) for line in printed.splitlines()] == [
        ["opened", {"ticket": "one", "after": ""}],
        ["message", {}],
        ["opened", {"ticket": "two", "after": "a cursor"}],
        ["ready", {}],
        ["refused", refused],
    ]
    assert next(answers, None) is None


@pytest.mark.parametrize("line", re.findall(r"^curl .*events.*$", PAGE, re.MULTILINE))
async def test_the_examples_with_curl_name_what_there_is(parley: Parley, line: str) -> None:
    """Each asks for the route with parameters that it takes."""
    path, _, query = re.findall(r'\$URL([^"?]+)(\??)([^"]*)', line)[0]
    assert path == EVENTS
    ann = await parley.user("ann")
    cursor = (await poll(ann))["cursor"]
    asked = dict(part.split("=") for part in query.split("&")) if query else {}
    asked |= {"wait": "0"} | ({"after": cursor} if "after" in asked else {})
    assert (await ann.get(path, **asked)).data["cursor"] == cursor
