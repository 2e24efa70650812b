"""Messages that no door may accept, as raw JSON, because no encoder would write some of them."""

import json
from dataclasses import dataclass
from typing import Any

MARKER = "confidential"
STATUS = {
    "VALIDATION_ERROR": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_NOT_FOUND": 404,
}
# What a field is called on "/"; the others do not exist there.
ELIZAS = {
    "channel_id": "channelId",
    "content": "message",
    "author_id": "senderId",
    "server_id": "messageServerId",
    "messageId": "messageId",
    "metadata": "metadata",
    "attachments": "attachments",
}
NOWHERE = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Bad:
    """A good message with one field changed to raw JSON, or left out; and the code of the refusal."""

    field: str
    raw: str | None
    code: str = "VALIDATION_ERROR"

    def native(self, channel_id: str) -> str:
        """Return the body of a submit."""
        return _object(self._fields(channel_id))

    def elizas(self, channel_id: str) -> str | None:
        """Return the payload of elizaOS's message, or None if it has no such field."""
        if self.field not in ELIZAS:
            return None
        return _object({ELIZAS[name]: raw for name, raw in self._fields(channel_id).items()})

    def _fields(self, channel_id: str) -> dict[str, str]:
        good = {"channel_id": f'"{channel_id}"', "content": f'"{MARKER}"'}
        changed = {**good, self.field: self.raw}
        return {name: raw for name, raw in changed.items() if raw is not None}


def _object(fields: dict[str, str]) -> str:
    members = ",".join(f'"{name}":{raw}' for name, raw in fields.items())
    return f"{{{members}}}"


def nested(levels: int, *, in_lists: bool = False) -> str:
    """Return an object whose containers are nested this deep."""
    inner, outer = levels - 1, ('{"a":', "}")
    if in_lists:
        return outer[0] + "[" * inner + "]" * inner + outer[1]
    return outer[0] * inner + "{}" + outer[1] * inner


def _attachment(**fields: Any) -> str:
    good = {"url": f"https://example.com/{MARKER}.png", "contentType": "image/png", "name": "a", "size": 1}
    kept = {name: value for name, value in {**good, **fields}.items() if value is not None}
    return json.dumps([kept])


def _approval(**fields: Any) -> str:
    good = {"options": ["yes", "no"], "expires_in": 60}
    return json.dumps({name: value for name, value in {**good, **fields}.items() if value is not None})


_WRONG_TEXTS = ["5", "null", "true", "[]", "{}", '["text"]', "1.5"]
_WRONG_OBJECTS = ["5", '"text"', "true", "[]", "[{}]"]
_WRONG_IDS = ["5", '""', '"x"', f'"{NOWHERE}0"', f'" {NOWHERE}"', f'"{{{NOWHERE}}}"', '"%s"' % ("-" * 36)]
# As JSON writes them: C0 but TAB, LF and CR, DEL, C1, and lone halves of surrogate pairs.
_CONTROLS = [r"\u0000", r"\u0007", r"\u000b", r"\u001b", r"\u007f", r"\u0080", r"\u009f"]
_SURROGATES = [r"\ud800", r"\udc00", r"\udfff\ud800"]
_NUMBERS = ["1e999", "-1e999"]

BAD: list[Bad] = [
    Bad("channel_id", None),
    *(Bad("channel_id", raw) for raw in [*_WRONG_IDS, "null", "{}"]),
    Bad("channel_id", f'"{NOWHERE}"', "RESOURCE_NOT_FOUND"),
    Bad("content", None),
    Bad("content", '""'),
    *(Bad("content", raw) for raw in _WRONG_TEXTS),
    *(Bad("content", f'"{MARKER}{bad}x"') for bad in _CONTROLS + _SURROGATES),
    Bad("content", f'"{MARKER}{"x" * (4_001 - len(MARKER))}"'),
    *(
        Bad("author_id", raw)
        for raw in ['""', '"a b"', '"a/b"', r'"\u0000"', '"%s"' % ("x" * 129), "5", "{}"]
    ),
    Bad("author_id", '"ben"', "PERMISSION_DENIED"),
    *(Bad("server_id", raw) for raw in _WRONG_IDS),
    Bad("server_id", f'"{NOWHERE}"', "RESOURCE_NOT_FOUND"),
    *(Bad("in_reply_to_message_id", raw) for raw in [*_WRONG_IDS, f'"{NOWHERE}"']),
    *(Bad("messageId", raw) for raw in ["5", '""', "{}", '"%s"' % ("x" * 129)]),
    *(Bad("messageId", f'"{bad}"') for bad in _CONTROLS + _SURROGATES),
    *(Bad("source_type", raw) for raw in ["5", '""', '"%s"' % ("x" * 257), r'"\u0000"', r'"\ud800"']),
    *(Bad("metadata", raw) for raw in _WRONG_OBJECTS),
    Bad("metadata", nested(6)),
    Bad("metadata", nested(6, in_lists=True)),
    Bad("metadata", '{"a":"%s"}' % ("x" * 16_384)),
    Bad("metadata", '{"a":"%s"}' % ("ü" * 8_192)),
    *(Bad("metadata", _object({key: "1"})) for key in ["", "a b", "a.b", "ü", "$a", r"\u0000", r"\ud800"]),
    *(Bad("metadata", _object({"a": "[" + _object({key: "1"}) + "]"})) for key in ["", "a b"]),
    *(Bad("metadata", _object({"a": f'"{bad}"'})) for bad in [r"\u0000", *_SURROGATES]),
    *(Bad("metadata", _object({"a": f"[{number}]"})) for number in _NUMBERS),
    *(Bad("raw_message", raw) for raw in _WRONG_OBJECTS),
    Bad("raw_message", nested(21)),
    Bad("raw_message", '{"a":"%s"}' % ("x" * 65_536)),
    *(Bad("raw_message", _object({"a": f'"{bad}"'})) for bad in [r"\u0000", *_SURROGATES]),
    *(Bad("raw_message", _object({"a b": number})) for number in _NUMBERS),
    *(Bad("attachments", raw) for raw in ["5", '"x"', "{}", "[5]", "[null]", '["x"]', "[[]]", "[{}]"]),
    *(Bad("approval", raw) for raw in ["5", '"yes"', "[]", "{}", '{"options":["yes","no"]}']),
    *(
        Bad("approval", _approval(**fields))
        for fields in (
            {"options": None},
            {"options": "yes"},
            {"options": []},
            {"options": ["yes"]},
            {"options": ["yes", "yes"]},
            {"options": ["yes", 5]},
            {"options": ["yes", ""]},
            {"options": ["yes", "x" * 81]},
            {"options": ["yes", "a\0b"]},
            {"options": [str(n) for n in range(11)]},
            {"expires_in": None},
            {"expires_in": 9.9},
            {"expires_in": -60},
            {"expires_in": 7 * 86_400 + 1},
            {"expires_in": "60"},
            {"expires_in": True},
            {"expires_at": 2_000_000_000_000},
            {"expires_in": None, "expires_at": "soon"},
            {"expires_in": None, "expires_at": 1.5},
            {"expires_in": None, "expires_at": True},
            {"allowed": "ann"},
            {"allowed": ["a b"]},
            {"allowed": [5]},
            {"allowed": ["ann"] * 101},
            {"run_id": "x"},
        )
    ),
    Bad("approval", _approval(), "PERMISSION_DENIED"),  # for whoever is no agent
    Bad("attachments", json.dumps(json.loads(_attachment()) * 11)),
    Bad("attachments", json.dumps(json.loads(_attachment(size=13 * 2**20)) * 2)),
    *(
        Bad("attachments", _attachment(**fields))
        for fields in (
            {"url": None},
            {"url": 5},
            {"url": ""},
            {"url": "ftp://example.com/a.png"},
            {"url": "javascript:alert(1)"},
            {"url": "data:image/png;base64,AAAA"},
            {"url": "https://"},
            {"url": "https://example.com/\0"},
            {"url": "https://example.com/" + "x" * 2_048},
            {"contentType": None},
            {"contentType": 5},
            {"contentType": "text/html"},
            {"contentType": "image/svg+xml"},
            {"contentType": "application/x-msdownload"},
            {"size": -1},
            {"size": 1.5},
            {"size": 26 * 2**20},
            {"size": "large"},
            {"size": "12"},
            {"size": True},
            {"name": ""},
            {"name": 5},
            {"name": "a\0b"},
            {"extra": "a\0b"},
            {"extra": {"a": {"b": {"c": {"d": 1}}}}},
        )
    ),
    Bad("attachments", _attachment()[:-2] + r',"extra":"\ud800"}]'),
    Bad("attachments", _attachment()[:-2] + ',"extra":1e999}]'),
]

# Integers that no door can keep exactly.
TOO_LARGE = [
    Bad(field, f'{{"a":{number}}}')
    for field in ("metadata", "raw_message")
    for number in (2**64, 10**30, -(2**63) - 1, -(10**30))
]

# Texts that are no JSON at all, or that no reader may follow to their end.
MALFORMED = {
    "cut": '{"channel_id":"%s","content":"' + MARKER,
    "trailing comma": '{"channel_id":"%s","content":"' + MARKER + '",}',
    "single quotes": "{'channel_id':'%s','content':'" + MARKER + "'}",
    "a raw control character": '{"channel_id":"%s","content":"' + MARKER + '\x07"}',
    "NaN": '{"channel_id":"%s","content":"' + MARKER + '","metadata":{"a":NaN}}',
    "Infinity": '{"channel_id":"%s","content":"' + MARKER + '","raw_message":{"a":-Infinity}}',
    "a number of 5,000 digits": '{"channel_id":"%s","content":"'
    + MARKER
    + '","metadata":{"a":'
    + "9" * 5_000
    + "}}",
    "10,000 lists": '{"channel_id":"%s","metadata":{"' + MARKER + '":' + "[" * 10_000 + "]" * 10_000 + "}}",
    "10,000 objects": '{"channel_id":"%s","a":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
}
