"""Which bucket the rate limit headers of an answer speak of, and what following a log costs."""

import pytest

from handlers.limits import Allowance, Bucket
from server import app
from tests.following import EVENTS, following, poll
from tests.rest import API, Rest
from tests.running import Start


class Buckets:
    """An address with its last token, and a user whose bucket is as it is told."""

    user = Allowance(60, 0, 2, 2.5)

    async def take(self, bucket: Bucket, _key: str) -> Allowance:
        """Take a token."""
        return Allowance(1_000, 0, 1, 0.0) if bucket is Bucket.ADDRESS else self.user


@pytest.mark.parametrize(
    ("user", "limit", "retry_after"),
    [(Allowance(60, 0, 2, 2.5), "60", "3"), (Allowance(60, 7, 2, 0.1), "60", "1")],
)
async def test_a_refusal_speaks_of_the_bucket_that_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch, user: Allowance, limit: str, retry_after: str
) -> None:
    """Even if another bucket has fewer tokens left, and granted one: only the refusing one says when."""
    monkeypatch.setattr(Buckets, "user", user)
    monkeypatch.setattr(app, "TokenBuckets", Buckets)
    parley = await start(rate_limits="on")
    ann = await parley.user("ann")
    reply = await ann.get(f"{API}/message-servers")
    assert reply.refusal == (429, "RATE_LIMIT_EXCEEDED")
    assert (reply.headers["Retry-After"], reply.headers["X-RateLimit-Limit"]) == (retry_after, limit)


async def test_an_answer_speaks_of_the_bucket_with_the_least_left(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as none refuses."""
    monkeypatch.setattr(Buckets, "user", Allowance(60, 7, 2, 0.0))
    monkeypatch.setattr(app, "TokenBuckets", Buckets)
    parley = await start(rate_limits="on")
    ann = await parley.user("ann")
    reply = await ann.get(f"{API}/message-servers")
    assert (reply.status, reply.headers["X-RateLimit-Limit"]) == (200, "1000")
    assert "Retry-After" not in reply.headers


async def test_elizas_headers_say_the_same(start: Start) -> None:
    """Their reset is a time from now, and the other one's a time of day."""
    parley = await start(rate_limits="on")
    headers = (await (await parley.user("ann")).get(f"{API}/message-servers")).headers
    for name in ("Limit", "Remaining"):
        assert headers[f"RateLimit-{name}"] == headers[f"X-RateLimit-{name}"]
    assert 0 < int(headers["RateLimit-Reset"]) < 60 < int(headers["X-RateLimit-Reset"])


async def left(client: Rest) -> int:
    """Return how many tokens the client's bucket has left, after one for this request."""
    reply = await client.get(f"{API}/message-servers")
    assert reply.headers["X-RateLimit-Limit"] == "60"
    return int(reply.headers["X-RateLimit-Remaining"])


async def test_who_asks_again_and_again_is_charged_once_a_minute(start: Start) -> None:
    """A hundred polls take one token of the user's and of the address's bucket, a hundred of reading."""
    parley = await start(rate_limits="on")
    ann = await parley.user("ann")
    for _ in range(100):
        last = await ann.get(EVENTS, wait=0)
    assert (last.status, last.headers["X-RateLimit-Limit"]) == (200, "600")
    assert int(last.headers["X-RateLimit-Remaining"]) < 600
    assert await left(ann) >= 58
    for _ in range(1_000):
        if (last := await ann.get(EVENTS, wait=0)).status != 200:
            break
    assert last.refusal == (429, "RATE_LIMIT_EXCEEDED")
    assert int(last.headers["Retry-After"]) >= 1


async def test_who_waits_for_runs_is_charged_as_who_waits_for_events(start: Start) -> None:
    """A hundred waits take one token; as many look-ups without a wait would be refused."""
    parley = await start(rate_limits="on")
    ann, _ = await parley.user("ann"), await parley.agent("bot")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    message_id = (await parley.service.submit(channel_id, "hello", author_id="ann")).data["id"]
    for _ in range(100):
        last = await ann.get(f"{API}/messages/{message_id}/runs", wait=0)
    assert (last.status, last.headers["X-RateLimit-Limit"]) == (200, "600")
    assert await left(ann) >= 58


async def test_who_polls_a_job_is_charged_as_who_waits_for_it(start: Start) -> None:
    """Clients of elizaOS ask once a second, and say nothing of waiting."""
    parley = await start(rate_limits="on")
    ann, _ = await parley.user("ann"), await parley.agent("bot")
    await parley.service.new_channel("talk", "ann", "bot")
    job = await ann.post(f"{API}/jobs", {"userId": "ann", "agentId": "bot", "content": "well?"})
    for _ in range(100):
        last = await ann.get(f"{API}/jobs/{job.body['jobId']}")
    assert (last.status, last.headers["X-RateLimit-Limit"]) == (200, "600")
    assert await left(ann) >= 57


async def test_what_elizas_clients_read_is_charged_as_polls_are(start: Start) -> None:
    """Their page asks for each group by itself whenever it is loaded; what it writes counts as ever."""
    parley = await start(rate_limits="on")
    ann = await parley.user("ann")
    page = ann.in_elizas_dialect()
    channel_id = await parley.service.new_channel("talk", "ann")
    for _ in range(5):  # times that it is loaded with 30 groups in its list
        for _ in range(30 + 11):
            last = await page.get(f"{API}/channels/{channel_id}/details")
            assert (last.status, last.headers["X-RateLimit-Limit"] in {"60", "600"}) == (200, True)
    assert last.headers["X-RateLimit-Limit"] == "600"
    assert await left(ann) >= 58
    said = await page.submit(channel_id)
    assert (said.status, said.headers["X-RateLimit-Limit"]) == (201, "60")


async def test_what_elizas_clients_read_has_an_end(start: Start) -> None:
    """Of 600 a minute, and guessed credentials are charged to their address as elsewhere."""
    parley = await start(rate_limits="on")
    page = (await parley.user("ann")).in_elizas_dialect()
    for _ in range(1_000):
        if (last := await page.get(f"{API}/message-servers")).status != 200:
            break
    assert last.refusal == (429, "RATE_LIMIT_EXCEEDED")
    guess = await parley.api_key("parley_1").get(f"{API}/message-servers")
    assert (guess.status, guess.headers["X-RateLimit-Remaining"]) == (401, "998")


async def test_a_stream_costs_one_token(start: Start) -> None:
    """However much it tells."""
    parley = await start(rate_limits="on")
    ann = await parley.user("ann")
    for _ in range(30):
        async with following(ann) as stream:
            assert stream.response.headers["X-RateLimit-Limit"] == "60"
    assert await left(ann) < 40


async def test_guessing_credentials_costs_as_elsewhere(start: Start) -> None:
    """Each poll that nobody may make is charged to its address."""
    parley = await start(rate_limits="on")
    remaining = []
    for number in range(3):
        reply = await parley.bearer(f"parley_{number}").get(EVENTS, wait=0)
        assert (reply.status, reply.headers["X-RateLimit-Limit"]) == (401, "1000")
        remaining.append(int(reply.headers["X-RateLimit-Remaining"]))
    assert remaining == [999, 998, 997]


async def test_services_are_not_charged(start: Start) -> None:
    """Neither for streams nor for polls."""
    parley = await start(rate_limits="on")
    for _ in range(620):
        await poll(parley.service)


async def test_writes_beside_messaging_are_charged(start: Start) -> None:
    """To who writes; reading is free there."""
    parley = await start(rate_limits="on")
    bot = await parley.agent("bot")
    assert "X-RateLimit-Limit" not in (await bot.get("/api/agents/bot")).headers
    assert (await bot.post("/api/agents/bot/start")).headers["X-RateLimit-Limit"] == "120"
