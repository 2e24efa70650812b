"""What hypothesis sends: JSON of every kind, and messages that are nearly good."""

import json
import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from rooms.rules import DEFAULT_SERVER_ID

LONG = bool(os.environ.get("PARLEY_TEST_LONG"))


def examples(count: int) -> settings:
    """Return settings: so many examples, the same in each run; with --long far more, and new ones."""
    return settings(
        max_examples=count * 50 if LONG else count,
        derandomize=not LONG,
        deadline=None,
        # Shrinking a case in which something waits in vain takes minutes; the long form does it.
        phases=set(Phase) if LONG else {Phase.explicit, Phase.generate},
        # The node serves all examples of a test; what one leaves behind is part of the next.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# Every code point, lone surrogates too.
texts = st.text(st.characters(exclude_categories=()), max_size=60)
numbers = st.integers() | st.floats() | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**30, 10**400, 1e308])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
uuids = st.uuids(allow_nil=True).map(str)


def encode(value: Any) -> str:
    """Return the value as JSON writes it, with NaN, surrogates and huge integers as they come."""
    return json.dumps(value)


def is_json(text: str) -> bool:
    """Tell whether every reader of JSON would follow; NaN and Infinity are Python's own."""
    return "NaN" not in text and "Infinity" not in text


# What a message may be made of: values that its fields accept.
sound_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=60)
sound_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | sound_texts,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
sound_keys = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
attachments = st.fixed_dictionaries(
    {
        "url": st.sampled_from(["https://example.com/a.png", "http://example.com", "/media/a"]),
        "contentType": st.sampled_from(["image/png", "image", "application/pdf"]),
    },
    optional={"name": sound_texts, "size": st.integers(0, 2**20), "title": sound_texts},
)
_OPTIONAL = {
    "server_id": st.just(DEFAULT_SERVER_ID),
    "author_id": st.just("ann"),
    "in_reply_to_message_id": st.none(),
    "source_type": st.sampled_from(["user_message", "agent_response"]),
    "messageId": uuids | sound_texts | st.sampled_from(["a", "b"]),
    "metadata": st.dictionaries(sound_keys, sound_values, max_size=3),
    "raw_message": st.dictionaries(sound_texts, sound_values, max_size=3),
    "attachments": st.lists(attachments, max_size=3),
}
_FIELDS = ("channel_id", "content", *_OPTIONAL)


@st.composite
def messages(draw: st.DrawFn, *channel_ids: str) -> dict[str, Any]:
    """Return a message for one of the channels, in which up to two fields are anything, or missing."""
    required = {"channel_id": st.sampled_from(channel_ids), "content": sound_texts}
    message: dict[str, Any] = draw(st.fixed_dictionaries(required, optional=_OPTIONAL))
    for field in draw(st.just([]) | st.lists(st.sampled_from(_FIELDS), max_size=2)):
        if draw(st.booleans()):
            message[field] = draw(values | uuids | texts)
        else:
            message.pop(field, None)
    return message
