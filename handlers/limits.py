"""Which token buckets a request takes from; the buckets themselves are the process's."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rooms.errors import RateLimited
from rooms.principals import Kind, Principal


class Bucket(enum.Enum):
    """The kinds of bucket: how many tokens one holds, and in how many seconds an empty one fills."""

    USER = (60, 60)
    AGENT = (120, 60)
    ADDRESS = (1_000, 3_600)
    READS = (600, 60)  # reading over a socket, and polling
    POLLS = (1, 60)  # those polls that count as requests
    FORGERIES = (50, 60)  # of what platforms send, from one address


_WRITES = {Kind.USER: Bucket.USER, Kind.AGENT: Bucket.AGENT}


class Allowance(NamedTuple):
    """What a bucket says: ``reset_at`` is the epoch second at which it is full again, in ``reset_after``."""

    limit: int
    remaining: int
    reset_at: int
    retry_after: float  # seconds; 0 if the tokens were granted
    reset_after: float = 0.0  # seconds

    def headers(self) -> dict[str, str]:
        """Return the documented rate limit headers, and those that elizaOS's server has."""
        limit, remaining = str(self.limit), str(self.remaining)
        return {
            "X-RateLimit-Limit": limit,
            "X-RateLimit-Remaining": remaining,
            "X-RateLimit-Reset": str(self.reset_at),
            "RateLimit-Limit": limit,
            "RateLimit-Remaining": remaining,
            "RateLimit-Reset": str(math.ceil(self.reset_after)),
        }


class Limiter(Protocol):
    """Where the buckets are kept."""

    async def take(self, bucket: Bucket, key: str) -> Allowance:
        """Take one token from the key's bucket of that kind, if there is one."""

    async def look(self, bucket: Bucket, key: str) -> Allowance:
        """Tell what :meth:`take` would, and take nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Charges for what principals do; without a limiter everything is free."""

    limiter: Limiter | None

    @property
    def are_on(self) -> bool:
        """Tell whether anything costs anything."""
        return self.limiter is not None

    async def charge_address(self, address: str) -> Allowance | None:
        """Charge an address for a REST request."""
        return await self._take(Bucket.ADDRESS, address)

    async def charge_principal(self, principal: Principal) -> Allowance | None:
        """Charge a user or an agent for a request or a write; services have no bucket."""
        bucket = _WRITES.get(principal.kind)
        return await self._take(bucket, principal.id) if bucket else None

    async def charge_read(self, principal: Principal) -> None:
        """Charge a user or an agent for reading over a socket; raise RateLimited when the bucket is empty."""
        refuse_if_spent(await self.charge_poll(principal))

    async def charge_poll(self, principal: Principal) -> Allowance | None:
        """Charge a user or an agent for asking what it may ask again and again."""
        return await self._take(Bucket.READS, principal.id) if principal.kind in _WRITES else None

    async def is_first_poll(self, principal: Principal) -> bool:
        """Tell whether the principal polls for the first time in a minute."""
        allowance = await self._take(Bucket.POLLS, principal.id)
        return allowance is None or not allowance.retry_after

    async def charge_forgery(self, address: str) -> None:
        """Charge an address for what is not the platform's that it says it is."""
        await self._take(Bucket.FORGERIES, address)

    async def look_at_forgeries(self, address: str) -> Allowance | None:
        """Return what is left to an address of what may be forged."""
        return await self.limiter.look(Bucket.FORGERIES, address) if self.limiter else None

    async def charge_write(self, principal: Principal) -> None:
        """Charge for one write; raise RateLimited when the bucket is empty."""
        refuse_if_spent(await self.charge_principal(principal))

    async def _take(self, bucket: Bucket, key: str) -> Allowance | None:
        return await self.limiter.take(bucket, key) if self.limiter else None


def refuse_if_spent(allowance: Allowance | None) -> None:
    """Raise RateLimited if the bucket was empty."""
    if allowance and allowance.retry_after:
        raise RateLimited(allowance.retry_after)
