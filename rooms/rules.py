"""Every limit of the API, once, as a named type; a broken rule says so in one sentence.

The numbers come from the messaging API's "Message Validation and Constraints". Types are checked by
pydantic where a request enters; what depends on who asks (the length of a content) is a function.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr

from rooms.errors import ValidationFailed

DEFAULT_SERVER_ID = "00000000-0000-0000-0000-000000000000"

MAX_CONTENT = 4_000
MAX_AGENT_CONTENT = 50_000
MAX_BATCH = 100
MAX_LABEL = 256
MAX_EDITS = 100  # of one message: each rewrites what the log told of it before
MAX_PAGE = 200
MAX_LISTED = 1_000  # channels of one server in one answer
DEFAULT_PAGE = 50
MAX_ATTACHMENTS = 10
MAX_ATTACHMENT_BYTES = 25 * 1024 * 1024
MAX_METADATA_BYTES = 16 * 1024
MAX_METADATA_LEVELS = 5
MAX_RAW_MESSAGE_BYTES = 64 * 1024
MAX_CHARACTER_BYTES = 512 * 1024  # elizaOS's page keeps an agent's picture in it, of 512 by 512 pixels
MAX_RAW_MESSAGE_LEVELS = 20
BIGGEST_TIME = 2**62  # later than any, in epoch milliseconds; seqs are smaller, too
SMALLEST_NUMBER, BIGGEST_NUMBER = -(2**63), 2**64  # parsers disagree about what lies beyond
IDEMPOTENCY_MS = 24 * 60 * 60 * 1000
MIN_OPTIONS, MAX_OPTIONS = 2, 10  # of one approval
MAX_OPTION = 80
MAX_ALLOWED = 100
MAX_SECRET = 8_192
MIN_APPROVAL_MS, MAX_APPROVAL_MS = 10_000, 7 * 24 * 60 * 60 * 1000

ATTACHMENT_TYPES = frozenset(
    {
        "image/jpeg", "image/png", "image/gif", "image/webp", "text/plain",
        "application/pdf", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "audio/mpeg", "audio/mp3", "audio/wav", "audio/x-wav", "audio/wave",
        "audio/ogg", "audio/aac", "audio/flac", "audio/mp4", "audio/webm",
        "video/mp4", "video/quicktime", "video/webm",
        # elizaOS's clients name the kind instead of the type.
        "image", "audio", "video", "document", "link",
    }
)  # fmt: skip

_LINK = re.compile(r"https?://[^\s/]|/media/(?!.*(?:\.\.|//|\\|%2e|%2f|%5c))\S*\Z", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_PRINCIPAL_ID = re.compile(r"[A-Za-z0-9\-_.:@]{1,128}")
_PLATFORM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_CAPABILITY = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}")
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_METADATA_KEY = re.compile(r"[A-Za-z0-9_-]+")
# C0 without TAB, LF and CR; DEL; C1; surrogates, which no encoding can carry.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_SIGNS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_EXECUTABLE = re.compile(r"<\s*script\b|<[^>]{1,2000}\bon[a-z]{3,30}\s*=|javascript\s*:", re.IGNORECASE)


def is_uuid(text: str) -> bool:
    """Tell whether the text is a UUID of any version, in either case."""
    return _UUID.fullmatch(text) is not None


def _uuid(text: str) -> str:
    if not is_uuid(text):
        raise ValueError("must be a UUID")
    return text.lower()


def idempotency_key(text: str | None) -> str | None:
    """Return the key in the spelling in which it is kept: UUIDs compare without case."""
    return text.lower() if text and is_uuid(text) else text


def principal_id(text: str) -> str:
    """Return the id of a user, an agent or a service; raise ValueError if it cannot be one."""
    if _PRINCIPAL_ID.fullmatch(text) is None:
        raise ValueError("must be 1 to 128 letters, digits or - _ . : @")
    return text.lower() if is_uuid(text) else text


def entity_id(text: str) -> str:
    """Return an id out of a path in its stored spelling; one that cannot exist is found nowhere."""
    return text.lower() if is_uuid(text) else text


def _text(text: str) -> str:
    if found := _FORBIDDEN.search(text):
        raise ValueError(f"must not contain the control character U+{ord(found.group()):04X}")
    return text


def label(text: str) -> str:
    """Return as much of a text as may be a label, without control characters; that may be nothing."""
    return _FORBIDDEN.sub("", text).strip()[:MAX_LABEL]


def _content(text: str) -> str:
    if not text:
        raise ValueError("must have at least 1 character")
    if len(text) > MAX_AGENT_CONTENT:
        raise ValueError(f"must have at most {MAX_AGENT_CONTENT} characters")
    return _text(text)


def channel_name(text: str) -> str:
    """Return the name in NFC; raise ValueError if it breaks the channel naming rules."""
    name = unicodedata.normalize("NFC", text)
    if not 2 <= len(name) <= 100:
        raise ValueError("must have 2 to 100 characters")
    if not all(c.isalnum() or c in "-_." for c in name):
        raise ValueError("may hold letters, digits, hyphens, underscores and periods only")
    return name


def emoji(text: str) -> str:
    """Return a sign that may be given to a message, in NFC; raise ValueError if it is none."""
    sign = unicodedata.normalize("NFC", text)
    if not 1 <= len(sign) <= 32:
        raise ValueError("must have 1 to 32 characters")
    if any(unicodedata.category(c) in _NO_SIGNS or c.isspace() for c in sign):
        raise ValueError("must not contain spaces or control characters")
    return sign


def _handle(text: str) -> str:
    handle = unicodedata.normalize("NFC", text)
    if not 2 <= len(handle) <= 32:
        raise ValueError("must have 2 to 32 characters")
    if not all(sign.isalnum() or sign in "_-." for sign in handle):
        raise ValueError("may hold letters, digits, underscores, hyphens and periods only")
    # What ends a sentence would not be taken for a part of it.
    if handle[0] in "-." or handle[-1] in "-.":
        raise ValueError("must begin and end with a letter, a digit or an underscore")
    return handle


def _capability(text: str) -> str:
    if _CAPABILITY.fullmatch(text) is None:
        raise ValueError("must be 1 to 64 letters, digits or _ . : / + -")
    return text


def secret_name(text: str) -> str:
    """Return the name of a secret; raise ValueError if it cannot be one."""
    if _SECRET_NAME.fullmatch(text) is None:
        raise ValueError("must be 1 to 64 letters, digits or _ . - and begin with a letter or a digit")
    return text


def _secret_value(text: str) -> str:
    if text.strip() != text:
        raise ValueError("must not begin or end with white space")
    return _text(text)


def _platform(text: str) -> str:
    if _PLATFORM.fullmatch(platform := text.lower()) is None:
        raise ValueError("must be 1 to 64 letters, digits or _ . -, beginning with a letter or a digit")
    return platform


def name_key(name: str) -> str:
    """Return a name as it is compared with others."""
    return unicodedata.normalize("NFKC", name).casefold()


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _deeper_than(value: object, levels: int) -> bool:
    """Tell whether containers are nested deeper; layer by layer, so that depth costs no stack."""
    layer = [value]
    for _ in range(levels):
        layer = [child for parent in layer for child in _children(parent)]
    return any(isinstance(child, (dict, list)) for child in layer)


def _keys(value: object) -> list[str]:
    own = list(value) if isinstance(value, dict) else []
    return own + [key for child in _children(value) for key in _keys(child)]


def _strings(value: object) -> list[str]:
    own = [value] if isinstance(value, str) else []
    return own + [text for child in _children(value) for text in _strings(child)]


def _floats(value: object) -> list[float]:
    own = [value] if isinstance(value, float) else []
    return own + [number for child in _children(value) for number in _floats(child)]


def _json_object(value: dict[str, Any], *, max_levels: int, max_bytes: int) -> dict[str, Any]:
    if _deeper_than(value, max_levels):
        raise ValueError(f"must not be nested deeper than {max_levels} levels")
    for text in _strings(value) + _keys(value):
        # Both databases refuse NUL and surrogates; other characters are the client's business here.
        if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError("must not contain NUL or lone surrogates")
    if not all(SMALLEST_NUMBER < number < BIGGEST_NUMBER for number in _floats(value)):
        raise ValueError("must hold finite numbers of at most 64 bits")
    try:
        size = len(orjson.dumps(value))
    except TypeError as error:
        raise ValueError("must hold JSON values only, with numbers of at most 64 bits") from error
    if size > max_bytes:
        raise ValueError(f"must have at most {max_bytes} bytes as JSON")
    return value


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    checked = _json_object(value, max_levels=MAX_METADATA_LEVELS, max_bytes=MAX_METADATA_BYTES)
    for key in _keys(checked):
        if _METADATA_KEY.fullmatch(key) is None:
            raise ValueError("may have keys of letters, digits, hyphens and underscores only")
    return checked


def raw_message(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with keys of any kind; raise ValueError if it is too large or too deep."""
    return _json_object(value, max_levels=MAX_RAW_MESSAGE_LEVELS, max_bytes=MAX_RAW_MESSAGE_BYTES)


def character(value: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of an agent; raise ValueError if it is too large or too deep."""
    return _json_object(value, max_levels=MAX_RAW_MESSAGE_LEVELS, max_bytes=MAX_CHARACTER_BYTES)


def is_link(text: str) -> bool:
    """Tell whether an attachment may be there: on the web, or below ``/media/`` as browsers read it."""
    return _LINK.match(text) is not None


def _url(text: str) -> str:
    if not is_link(text):
        raise ValueError("must be an http or https URL, or the path of an uploaded file")
    return _text(text)


def _attachment_type(text: str) -> str:
    if text.lower() not in ATTACHMENT_TYPES:
        raise ValueError(
            "must be one of JPG, PNG, GIF, WebP, MP3, WAV, OGG, AAC, FLAC, MP4, MOV, WebM, PDF, DOCX and text"
        )
    return text


def _none_as_empty(value: object) -> object:
    return {} if value is None else value


Uuid = Annotated[StrictStr, AfterValidator(_uuid)]
PrincipalId = Annotated[StrictStr, AfterValidator(principal_id)]
IdempotencyKey = Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(_text)]
Label = Annotated[StrictStr, Field(min_length=1, max_length=MAX_LABEL), AfterValidator(_text)]
Platform = Annotated[StrictStr, AfterValidator(_platform)]
Emoji = Annotated[StrictStr, AfterValidator(emoji)]
Note = Annotated[StrictStr, Field(max_length=256), AfterValidator(_text)]
Handle = Annotated[StrictStr, AfterValidator(_handle)]
Option = Annotated[StrictStr, Field(min_length=1, max_length=MAX_OPTION), AfterValidator(_text)]
Capability = Annotated[StrictStr, AfterValidator(_capability)]
Description = Annotated[StrictStr, Field(max_length=4_000), AfterValidator(_text)]
SecretName = Annotated[StrictStr, AfterValidator(secret_name)]
SecretValue = Annotated[StrictStr, Field(min_length=1, max_length=MAX_SECRET), AfterValidator(_secret_value)]
Content = Annotated[StrictStr, AfterValidator(_content)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_none_as_empty), AfterValidator(_metadata)]
RawMessage = Annotated[dict[str, Any], BeforeValidator(_none_as_empty), AfterValidator(raw_message)]


class Attachment(BaseModel):
    """A file that a message points to; what else a client says about it is kept."""

    model_config = ConfigDict(extra="allow")

    url: Annotated[StrictStr, Field(max_length=2_048), AfterValidator(_url)]
    contentType: Annotated[StrictStr, AfterValidator(_attachment_type)]  # noqa: N815 - the wire's spelling
    name: Label | None = None
    size: Annotated[StrictInt, Field(ge=0, le=MAX_ATTACHMENT_BYTES)] | None = None


def as_stored(attachments: Iterable[Attachment]) -> list[dict[str, Any]]:
    """Return attachments as they are stored with a message."""
    return [attachment.model_dump(exclude_none=True) for attachment in attachments]


def _attachments(value: list[Attachment]) -> list[Attachment]:
    if sum(attachment.size or 0 for attachment in value) > MAX_ATTACHMENT_BYTES:
        raise ValueError("must have at most 25 MB in all")
    _json_object(
        {"attachments": as_stored(value)}, max_levels=MAX_METADATA_LEVELS, max_bytes=MAX_RAW_MESSAGE_BYTES
    )
    return value


Attachments = Annotated[list[Attachment], Field(max_length=MAX_ATTACHMENTS), AfterValidator(_attachments)]


def check_length(content: str, limit: int) -> None:
    """Refuse a content of more than ``limit`` code points."""
    if len(content) > limit:
        raise ValidationFailed(f"Field 'content' must have at most {limit} characters; it has {len(content)}")


def check_executable(text: str, field: str = "content") -> None:
    """Refuse script tags, event-handler attributes and ``javascript:`` links."""
    if _EXECUTABLE.search(text):
        raise ValidationFailed(f"Field '{field}' must not contain scripts; remove the markup that would run")
