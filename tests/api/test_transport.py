"""What surrounds every answer: tags, compression, request ids, timing, and cross-origin rules."""

import asyncio
import gzip
import re
import zlib

import aiohttp
import orjson
import pytest

from tests.rest import API, Rest
from tests.running import Parley, Start

ORIGIN = "https://chat.example"


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel with one participant and one message."""
    created = await parley.service.new_channel("talk", "ann")
    await parley.service.submit(created, "hello", author_id="ann")
    return created


@pytest.mark.parametrize("thing", ["", "/messages", "/participants"])
async def test_what_a_client_has_already_is_not_sent_again(
    parley: Parley, channel_id: str, thing: str
) -> None:
    """A GET with the tag of an answer that still holds is 304 without a body."""
    path = f"{API}/channels/{channel_id}{thing}"
    first = await parley.service.get(path)
    tag = first.headers["ETag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/")):
        again = await parley.service.having(If_None_Match=known).get(path)
        assert (again.status, again.raw, again.headers["ETag"]) == (304, b"", tag)
    assert (await parley.service.having(If_None_Match='"other"').get(path)).raw == first.raw


async def test_a_tag_changes_with_what_it_marks(parley: Parley, channel_id: str) -> None:
    """After a new message the old tag gets the new page."""
    tag = (await parley.service.history(channel_id)).headers["ETag"]
    await parley.service.submit(channel_id, "news", author_id="ann")
    reply = await parley.service.having(If_None_Match=tag).history(channel_id)
    assert reply.status == 200
    assert reply.data["messages"][-1]["text"] == "news"


async def test_a_tag_is_of_one_dialect_only(parley: Parley, channel_id: str) -> None:
    """The tag of one dialect's answer does not stand for the other's."""
    tag = (await parley.service.history(channel_id)).headers["ETag"]
    eliza = parley.service.in_elizas_dialect().having(If_None_Match=tag)
    assert (await eliza.history(channel_id)).status == 200


async def test_a_private_answer_is_kept_by_no_shared_cache(parley: Parley, channel_id: str) -> None:
    """Answers to GET may be stored by the client alone, and are checked before use."""
    headers = (await parley.service.history(channel_id)).headers
    assert headers["Cache-Control"] == "private, no-cache"


async def test_long_answers_are_compressed_on_request_and_short_ones_never(parley: Parley) -> None:
    """With Accept-Encoding: gzip an answer over 1 KB is compressed; the content is the same."""
    channel_id = await parley.service.new_channel("talk", "ann")
    short = await parley.service.history(channel_id)
    assert len(short.raw) < 1_024
    assert "Content-Encoding" not in short.headers
    await parley.service.submit(channel_id, "x" * 4_000, author_id="ann")
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        raw = Rest(session, parley.url, parley.service.headers)
        plain = await raw.having(Accept_Encoding="identity").history(channel_id)
        assert "Content-Encoding" not in plain.headers
        packed = await raw.having(Accept_Encoding="gzip").history(channel_id)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.raw) < len(plain.raw) / 4
    assert zlib.decompress(packed.raw, wbits=31) == plain.raw
    assert packed.headers["ETag"] == plain.headers["ETag"]


async def test_a_compressed_request_is_read(parley: Parley) -> None:
    """A gzip body is stored like the plain one."""
    channel_id = await parley.service.new_channel("talk", "ann")
    body = orjson.dumps({"channel_id": channel_id, "author_id": "ann", "content": "x" * 4_000})
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    options = {"data": gzip.compress(body), "headers": headers}
    assert (await parley.service.request("POST", f"{API}/submit", **options)).status == 201
    assert await parley.service.texts(channel_id) == ["x" * 4_000]


@pytest.mark.parametrize("path", ["/healthz", f"{API}/submit", "/nothing"])
async def test_a_request_keeps_the_id_that_its_client_gave_it(parley: Parley, path: str) -> None:
    """A sound X-Request-ID comes back, on success and on refusal."""
    client = parley.anonymous.having(X_Request_ID="my-id_1.2")
    assert (await client.get(path)).headers["X-Request-ID"] == "my-id_1.2"


@pytest.mark.parametrize("stated", [None, "", "two words", "x" * 65, "é", "a\tb", "<script>"])
async def test_a_request_without_a_sound_id_gets_one(parley: Parley, stated: str | None) -> None:
    """What is no plain short word is replaced by an id of the server's own, a new one each time."""
    client = parley.anonymous if stated is None else parley.anonymous.having(X_Request_ID=stated)
    ids = {(await client.get("/healthz")).headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


async def test_every_answer_says_how_long_it_took(parley: Parley) -> None:
    """Server-Timing is on successes and on refusals."""
    for path in ("/healthz", "/nothing"):
        timing = (await parley.anonymous.get(path)).headers["Server-Timing"]
        assert re.fullmatch(r"total;dur=\d+\.\d", timing)


PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


async def test_a_page_of_a_named_origin_may_ask_and_read(start: Start) -> None:
    """The preflight allows the methods and headers in use; answers are readable, headers included."""
    parley = await start(cors_origin=[ORIGIN])
    preflight = await parley.anonymous.request("OPTIONS", f"{API}/submit", headers=PREFLIGHT)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "x-api-key", "x-entity-id"} <= set(allowed)
    methods = preflight.headers["Access-Control-Allow-Methods"].split(", ")
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(methods)
    for reply in (
        await parley.service.having(Origin=ORIGIN).get(f"{API}/message-servers"),
        await parley.anonymous.having(Origin=ORIGIN).get(f"{API}/message-servers"),
    ):
        assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "X-RateLimit-Remaining" in reply.headers["Access-Control-Expose-Headers"]
        assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize("named", [[], ["https://other.example"]])
async def test_a_page_of_another_origin_is_told_nothing(start: Start, named: list[str]) -> None:
    """Without the operator's word there is neither a preflight nor a mark that lets a page read."""
    parley = await start(cors_origin=named)
    preflight = await parley.anonymous.request("OPTIONS", f"{API}/submit", headers=PREFLIGHT)
    assert preflight.status == 405
    reply = await parley.service.having(Origin=ORIGIN).get(f"{API}/message-servers")
    assert reply.status == 200
    for answered in (preflight, reply):
        assert not [header for header in answered.headers if header.startswith("Access-Control-")]


async def test_any_origin_can_be_allowed(start: Start) -> None:
    """With ``*`` every page may ask, over REST."""
    parley = await start(cors_origin=["*"])
    preflight = await parley.anonymous.request("OPTIONS", f"{API}/submit", headers=PREFLIGHT)
    assert preflight.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)


@pytest.mark.parametrize(
    ("named", "admitted"),
    [([], False), ([ORIGIN], True), (["*"], True), (["https://other.example"], False)],
    ids=str,
)
async def test_sockets_follow_the_same_rule_of_origin(start: Start, named: list[str], admitted: bool) -> None:
    """A page may open a connection exactly where it may call the REST API."""
    parley = await start(cors_origin=named)
    path = "/socket.io/?EIO=4&transport=polling"
    reply = await parley.anonymous.having(Origin=ORIGIN).get(path)
    assert (reply.status == 200) is admitted


async def test_answers_come_while_others_are_under_way(parley: Parley) -> None:
    """Many requests at once are each answered with their own id and content."""
    channel_ids = [await parley.service.new_channel(f"talk-{n}", "ann") for n in range(5)]

    async def ask(n: int) -> tuple[str, str]:
        reply = await parley.service.having(X_Request_ID=f"id-{n}").get(
            f"{API}/channels/{channel_ids[n % 5]}"
        )
        return reply.headers["X-Request-ID"], reply.data["id"]

    answered = await asyncio.gather(*(ask(n) for n in range(50)))
    assert answered == [(f"id-{n}", channel_ids[n % 5]) for n in range(50)]
