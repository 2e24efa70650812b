"""Whatever a platform signs, it is refused as a whole or can be stored, answered and replied to."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from rooms.errors import ValidationFailed
from rooms.platform_kind import Said
from rooms.platform_tables import Platform
from rooms.platforms import KINDS
from tests import platforms
from tests.fuzz.inputs import encode, examples, values

NOW = 1_700_000_000
GOOD: dict[str, Any] = {
    "discord": platforms.command(),
    "telegram": platforms.update(message_thread_id=3, is_topic_message=True),
    "twitter": platforms.activity(),
    "webhook": platforms.post(attachments=[], metadata={"a": 1}, context={"b": [2]}),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every part of a body."""
    if path:
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a good body of a kind with one part in it that is anything else."""
    kind = draw(st.sampled_from(sorted(GOOD)))
    body = deepcopy(GOOD[kind])
    *way, last = draw(st.sampled_from(list(places(body))))
    parent = body
    for step in way:
        parent = parent[step]
    parent[last] = draw(values | st.sampled_from([10**30, -(10**30), 2**63, "5" * 5_000, "\0", "", True]))
    return kind, encode(body).encode()


def replied(kind: str, said: Said) -> None:
    """Put a reply to what was said, from the address as the database gives it back."""
    address = orjson.loads(orjson.dumps(said.address)) | {"deliveryId": "d"}
    platform = Platform(id="p", kind=kind, agent_id="bot", api_url="https://api.example")
    secrets = {use: value.encode() for use, value in platforms.SECRETS[kind].items()}
    for later in (0, 3_600_000):
        letter = KINDS[kind].write(platform, secrets, address, "hello", 0, NOW * 1000 + later)
        assert letter is not None
        assert letter.url.startswith("https://api.example")


@given(sent=bodies())
@examples(500)
def test_a_body_with_anything_in_it_is_refused_or_can_be_replied_to(sent: tuple[str, bytes]) -> None:
    """Its ids fit, it was said by somebody somewhere, and its address leads back to the platform."""
    kind, body = sent
    try:
        heard = KINDS[kind].hear(body, {}, NOW)
    except ValidationFailed:
        return
    for said in heard.said:
        assert 0 < len(said.message_id) <= 128
        assert 0 < len(said.channel_id) <= 256
        assert 0 < len(said.user_id) <= 256
        replied(kind, said)
