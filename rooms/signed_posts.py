"""Anything else: requests in the form of Standard Webhooks, in both directions, with one secret.

What comes in has the form of an external message; what goes out is a reply to one. Both are signed as
what agents' webhooks are sent.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import Field

from rooms import webhooks
from rooms.external import Received
from rooms.parcels import Letter
from rooms.platform_kind import Address, Answer, Heard, Said, Secrets, Wire, is_recent, read
from rooms.platform_tables import Platform
from rooms.rules import Attachments, IdempotencyKey, Label, Metadata, RawMessage, as_stored
from rooms.webhooks import ID, SIGNATURE, TIMESTAMP

MAX_SIGNATURES = 2_048  # characters, of several while a secret is changed


class _Message(Wire):
    messageId: IdempotencyKey  # noqa: N815 - the wire's spelling, as of an external message
    channelId: Label  # noqa: N815
    userId: Label  # noqa: N815
    content: str
    displayName: Label | None = None  # noqa: N815
    attachments: Attachments = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    context: RawMessage = Field(default_factory=dict)


class SignedPosts:
    """A platform of the operator's own, or a bridge to one."""

    required = frozenset({"secret"})
    optional = frozenset[str]()
    proof = "secret"
    api_url = ""
    longest = 0

    def find_flaw(self, _proof: bytes) -> str | None:
        """Return None: it is any text."""
        return None

    def is_timely(self, headers: Mapping[str, str], now: int) -> bool:
        """Tell whether the three headers are there, and of these minutes."""
        has_all = (
            0 < len(headers.get(ID, "")) <= 256 and 0 < len(headers.get(SIGNATURE, "")) <= MAX_SIGNATURES
        )
        return has_all and is_recent(headers.get(TIMESTAMP), now)

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
        """Tell whether one of the signatures is the secret's over id, time and body."""
        message_id, time, signatures = (
            headers[name].encode("utf-8", "surrogateescape") for name in (ID, TIMESTAMP, SIGNATURE)
        )
        expected = webhooks.signature_of(_key(secret), message_id, time, body)
        # All are looked at, so that the time tells nothing of which.
        matches = [hmac.compare_digest(expected, one) for one in signatures.split()]
        return any(matches)

    def hear(self, body: bytes, _headers: Mapping[str, str], _now: int) -> Heard:
        """Read an external message."""
        message: _Message = read(_Message, body)
        said = Said(
            message_id=message.messageId,
            channel_id=message.channelId,
            user_id=message.userId,
            content=message.content,
            address={
                "messageId": message.messageId,
                "channelId": message.channelId,
                "userId": message.userId,
                "context": message.context,
            },
            display_name=message.displayName,
            attachments=as_stored(message.attachments),
            metadata=message.metadata,
        )
        return Heard([said])

    def challenge(self, _token: str, _secret: bytes) -> Answer | None:
        """Return None: nothing is asked for."""
        return None

    def accept(self, received: Received) -> Answer:
        """Return what was stored, and the run in which it is answered."""
        data: dict[str, Any] = {
            "messageId": received.message.id,
            "runId": received.run.id if received.run else None,
            "repeat": received.is_repeat,
        }
        return {"success": True, "data": data}

    def refuse(self, _said: Said, _why: str) -> Answer | None:
        """Return None: whoever sends is told what was wrong."""
        return None

    def after_silence(self, address: Address) -> Address:
        """Return the same: nothing was said there."""
        return address

    def needs(self, _address: Address, _now: int) -> frozenset[str]:
        """Return the one that there is."""
        return self.required

    def write(
        self, platform: Platform, secrets: Secrets, address: Address, text: str, done: int, now: int
    ) -> Letter | None:
        """Return the reply, whole and signed, if there is somewhere to send it."""
        if not text or done or not platform.api_url:
            return None
        body = orjson.dumps({**address, "platformId": platform.id, "response": text})
        signature = webhooks.signed(_key(secrets["secret"]), address["deliveryId"], now // 1000, body)
        return Letter("POST", platform.api_url, {"Content-Type": "application/json", **signature}, body)


def _key(secret: bytes) -> bytes:
    """Return the bytes that sign: the secret itself, or those that it is the base64 of, after ``whsec_``."""
    prefix = webhooks.SECRET_PREFIX.encode()
    if not secret.startswith(prefix):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True)
    except binascii.Error:
        return secret
