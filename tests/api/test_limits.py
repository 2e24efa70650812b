"""Which bucket the rate limit headers of an answer speak of."""

import pytest

from handlers.limits import Allowance, Bucket
from server import app
from tests.rest import API
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
