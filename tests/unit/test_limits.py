"""What the token buckets grant over minutes, on the test's own clock."""

from collections.abc import Iterator

import pytest

from handlers.limits import Limits, refuse_if_spent
from rooms.errors import RateLimited
from rooms.principals import Kind, Principal
from server.limits import TokenBuckets

CAROL = Principal("carol", Kind.USER)
ADDRESS = "203.0.113.7"
MINUTES = 10


def elizas_requests(second: int, every: int) -> Iterator[str]:
    """Yield what elizaOS's web client does in a second of a chat with a message every so many seconds.

    Seen by counting the requests of a real one in a browser. As long as a chat has no title it asks for
    one with the message and with the reply, and looks who takes part; here it never gets any.
    """
    if second == 0:  # opening the page and the chat
        yield "write"
        yield from ["read"] * 10
    if second % 120 == 0:  # the channels, for each of its two lists
        yield from ["read"] * 2
    if second % every == 0:
        yield "send"
        yield from ["write", "read", "write"]  # title, participants, new name
    if second % every == every // 2:
        yield from ["write", "read", "write"]


async def chat(limits_clock: list[float], every: int) -> int:
    """Chat for ten minutes and return how many requests were made under /api/messaging, and sent."""
    limits, count = Limits(TokenBuckets()), 0
    for second in range(60 * MINUTES):
        limits_clock[0] += 1
        for kind in elizas_requests(second, every):
            count += 1
            counts = kind != "read" or await limits.is_first_poll(CAROL)
            if counts and kind != "send":
                refuse_if_spent(await limits.charge_address(ADDRESS))
            await (limits.charge_write if counts else limits.charge_read)(CAROL)
    return count


async def test_elizas_client_chats_for_ten_minutes_without_being_refused(limits_clock: list[float]) -> None:
    """With six messages a minute, and everything that it asks for around them."""
    assert await chat(limits_clock, every=10) == 441


async def test_a_client_that_does_three_times_as_much_is_refused(limits_clock: list[float]) -> None:
    """The limits that hold above are those that refuse here."""
    with pytest.raises(RateLimited):
        await chat(limits_clock, every=3)
