"""What is sent and what comes of it: requests as they are handed to whoever makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rooms.run_tables import Webhook


@dataclass(frozen=True, slots=True)
class Letter:
    """A request that is to be made; ``is_last`` tells that nothing of the same delivery follows it.

    Of its URL, headers and body each may hold a secret.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Parcel:
    """One attempt at a part of a delivery, which is whoever's that has taken it.

    ``part`` counts the parts before it, and ``attempt`` those at this one. Without a letter it cannot be
    made; ``error`` is a word for why. ``webhook`` is where it goes, if it goes to one.
    """

    delivery_id: str
    part: int
    attempt: int
    server_id: str
    agent_id: str
    letter: Letter | None
    error: str | None = None
    webhook: Webhook | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: the body of the answer, or a word for what went wrong.

    There is a status, and headers, if anything was answered. Whoever ``is_gone`` wants nothing any more.
    """

    parcel: Parcel
    answer: bytes = field(default=b"", repr=False)
    error: str | None = None
    is_gone: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
