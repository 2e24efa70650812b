"""The documented rate limits: their defaults, their headers, and the refusal."""

import time

import pytest

from tests.rest import API, Reply, Rest
from tests.running import Parley, Start

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
PATH = f"{API}/message-servers"


async def spend(client: Rest, path: str = PATH) -> list[Reply]:
    """Send requests until one is refused, and return all answers."""
    replies = [await client.get(path)]
    while replies[-1].status != 429:
        assert len(replies) < 2_000, "nothing limits this client"
        replies.append(await client.get(path))
    return replies


def numbers(reply: Reply) -> tuple[int, int, int]:
    """Return limit, remaining and reset as the headers have them."""
    limit, remaining, reset = (int(reply.headers[name]) for name in HEADERS)
    return limit, remaining, reset


async def client_of(parley: Parley, kind: str) -> Rest:
    """Return a client of the kind whose limit is tried; a service meets only its address's."""
    if kind == "address":
        return parley.service
    return await (parley.user("ann") if kind == "user" else parley.agent("bot"))


@pytest.mark.parametrize(
    ("kind", "limit", "seconds"), [("user", 60, 60), ("agent", 120, 60), ("address", 1_000, 3_600)]
)
async def test_the_documented_number_of_requests_is_granted(
    start: Start, limits_clock: list[float], kind: str, limit: int, seconds: int
) -> None:
    """A fresh client gets exactly the documented number of requests, and as many when that time is over."""
    parley = await start(rate_limits="on")
    client = await client_of(parley, kind)
    replies = await spend(client)
    assert len(replies) == limit + 1
    assert all(reply.status == 200 for reply in replies[:-1])
    assert all(numbers(reply)[0] == limit for reply in replies)
    assert numbers(replies[0])[1] == limit - 1
    limits_clock[0] += seconds
    assert len(await spend(client)) == limit + 1


async def test_the_headers_count_down_and_name_the_second_at_which_the_bucket_is_full(start: Start) -> None:
    """Remaining falls with each request, and reset is a UTC epoch second that moves away."""
    client = await (await start(rate_limits="on")).user("ann")
    began = time.time()
    first, second, third = [numbers(await client.get(PATH)) for _ in range(3)]
    assert [first[1], second[1], third[1]] == [59, 58, 57]
    took = time.time() - began
    assert began < first[2] < began + took + 3
    assert first[2] < second[2] < third[2] < first[2] + took + 4


async def test_a_refusal_says_when_to_retry(start: Start) -> None:
    """A 429 has the envelope, the limit headers with nothing left, and Retry-After."""
    client = await (await start(rate_limits="on")).user("ann")
    refused = (await spend(client))[-1]
    assert refused.refusal == (429, "RATE_LIMIT_EXCEEDED")
    assert numbers(refused)[:2] == (60, 0)
    assert int(refused.headers["Retry-After"]) >= 1


async def test_one_clients_bucket_is_not_anothers(start: Start) -> None:
    """Who has spent its own limit leaves others at the same address theirs."""
    parley = await start(rate_limits="on")
    await spend(await parley.user("ann"))
    reply = await (await parley.user("ben")).get(PATH)
    assert reply.status == 200
    assert numbers(reply)[:2] == (60, 59)


async def test_guessing_credentials_spends_the_addresss_bucket(start: Start) -> None:
    """Requests without a good credential are charged to where they come from."""
    parley = await start(rate_limits="on")
    guesser = parley.bearer("parley_guess")
    first, second = await guesser.get(PATH), await guesser.get(PATH)
    assert (first.status, second.status) == (401, 401)
    assert [numbers(reply)[:2] for reply in (first, second)] == [(1_000, 999), (1_000, 998)]


async def test_what_is_not_messaging_is_free(start: Start) -> None:
    """Health checks and the configuration are neither limited nor marked."""
    anonymous = (await start(rate_limits="on")).anonymous
    for path in ("/healthz", "/readyz", "/api/system/config"):
        reply = await anonymous.get(path)
        assert reply.status == 200
        assert not set(HEADERS) & set(reply.headers)


async def test_limits_can_be_switched_off(parley: Parley) -> None:
    """Without rate limits nothing is counted and no header says so."""
    user = await parley.user("ann")
    replies = [await user.get(PATH) for _ in range(70)]
    assert {reply.status for reply in replies} == {200}
    assert not set(HEADERS) & set(replies[-1].headers)
