"""What all kinds of platform have in common: what comes from them, and how a reply is put for them.

Each kind knows its platform's wire format, and nothing else: it asks for no secret, stores nothing, and
makes no request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from rooms.errors import ValidationFailed
from rooms.external import Received
from rooms.parcels import Letter
from rooms.platform_tables import Platform

WINDOW_SECONDS = 300
MAX_SECONDS_DIGITS = 12

Answer = dict[str, Any]
Address = dict[str, Any]  # what a reply to a message needs, as JSON
Secrets = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody has said on a platform, with the platform's ids.

    ``said_at`` is when, in milliseconds, if that is told.
    """

    message_id: str
    channel_id: str
    user_id: str
    content: str
    address: Address
    display_name: str | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    said_at: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a request has brought: perhaps nothing that anybody has said, and what is answered then."""

    said: Sequence[Said] = ()
    answer: Answer = field(default_factory=dict)


class PlatformKind(Protocol):
    """One kind of platform.

    ``required`` and ``optional`` are the uses that it has for secrets, and ``proof`` is the one that tells
    whether a request is the platform's. ``api_url`` is where its API is, empty if each has its own.
    ``longest`` is how many characters its users may say at once, 0 if that is not known.
    """

    required: frozenset[str]
    optional: frozenset[str]
    proof: str
    api_url: str
    longest: int

    def find_flaw(self, proof: bytes) -> str | None:
        """Return why the secret cannot prove whose requests are, or None if it may."""

    def is_timely(self, headers: Mapping[str, str], now: int) -> bool:
        """Tell whether a request has what it needs to be genuine, and is none of long ago.

        ``now`` is in epoch seconds, and header names are in lower case.
        """

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
        """Tell whether the platform has made the request; takes as long whatever is wrong with it."""

    def hear(self, body: bytes, headers: Mapping[str, str], now: int) -> Heard:
        """Read a genuine request; raise ValidationFailed if it is not of the platform's form."""

    def challenge(self, token: str, secret: bytes) -> Answer | None:
        """Return what proves to the platform who answers here, or None if it asks for nothing like that."""

    def accept(self, received: Received) -> Answer:
        """Return what is answered to what was stored."""

    def refuse(self, said: Said, why: str) -> Answer | None:
        """Return what tells the user why it was not stored, or None if the platform shall be told."""

    def after_silence(self, address: Address) -> Address:
        """Return where a reply goes that comes after all, to a message whose run has ended without one."""

    def needs(self, address: Address, now: int) -> frozenset[str]:
        """Return which secrets :meth:`write` may use; ``now`` is in milliseconds there and here."""

    def write(
        self, platform: Platform, secrets: Secrets, address: Address, text: str, done: int, now: int
    ) -> Letter | None:
        """Return what says the next part of a reply behind ``done`` parts, or None if nothing is to be said.

        An empty text stands for a run that has ended without a reply.
        """


class Wire(BaseModel):
    """A part of what a platform sends; what is not used is not looked at."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


def read(form: type[Wire], body: bytes) -> Any:
    """Return the body as the form; raise ValidationFailed if it is not of that form."""
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise ValidationFailed(
            f"The body is not of the platform's form: '{place or 'body'}' is wrong"
        ) from None


def is_recent(seconds: str | None, now: int) -> bool:
    """Tell whether a time in epoch seconds, as a header has it, is at most five minutes away."""
    if seconds is None or not (seconds.isascii() and seconds.isdigit()) or len(seconds) > MAX_SECONDS_DIGITS:
        return False
    return abs(int(seconds) - now) <= WINDOW_SECONDS
