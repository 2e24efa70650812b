"""The token buckets of one process."""

from __future__ import annotations

import math
import time
from datetime import timedelta

from throttled.asyncio import RateLimiterType, RateLimitState, Throttled, per_duration, store

from handlers.limits import Allowance, Bucket

# Beyond this many buckets the least recently used is forgotten, and with it what it had counted.
MAX_BUCKETS = 200_000


class TokenBuckets:
    """A bucket per kind and key, kept in memory."""

    def __init__(self) -> None:
        kept = store.MemoryStore(options={"MAX_SIZE": MAX_BUCKETS})
        self._buckets = {bucket: _throttled(bucket, kept) for bucket in Bucket}

    async def take(self, bucket: Bucket, key: str) -> Allowance:
        """Take one token from the key's bucket of that kind, if there is one."""
        result = await self._buckets[bucket].limit(f"{bucket.name}:{key}")
        state = result.state
        retry_after = state.retry_after if result.limited else 0.0
        return _allowance(state, retry_after)

    async def look(self, bucket: Bucket, key: str) -> Allowance:
        """Tell what :meth:`take` would, and take nothing."""
        state = await self._buckets[bucket].peek(f"{bucket.name}:{key}")
        tokens, seconds = bucket.value
        return _allowance(state, 0.0 if state.remaining else seconds / tokens)


def _allowance(state: RateLimitState, retry_after: float) -> Allowance:
    reset_at = math.ceil(time.time() + state.reset_after)
    return Allowance(state.limit, state.remaining, reset_at, retry_after, state.reset_after)


def _throttled(bucket: Bucket, kept: store.MemoryStore) -> Throttled:
    tokens, seconds = bucket.value
    quota = per_duration(timedelta(seconds=seconds), limit=tokens, burst=tokens)
    return Throttled(using=RateLimiterType.TOKEN_BUCKET.value, quota=quota, store=kept)
