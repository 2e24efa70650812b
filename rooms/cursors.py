"""Cursors: where in a server's log somebody stands, as a text that only this deployment can make.

A cursor is opaque to clients. Inside are a version, the id of the secret that signed it, the server,
the log's epoch, the seq, and an HMAC-SHA256 cut to 16 bytes, in base64url.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import uuid
from dataclasses import dataclass, field

from rooms import store
from rooms.database import Database
from rooms.errors import ValidationFailed
from rooms.journal import Journal
from rooms.tables import Secret
from rooms.transaction import Transaction, one_by_one

VERSION = 1
TAG_BYTES = 16

_FORM = struct.Struct(">BB16sQQ")
_LENGTH = _FORM.size + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position: everything of the server's log up to ``seq`` has been seen."""

    server_id: str
    epoch: int
    seq: int

    def require_log(self, server_id: str, epoch: int) -> None:
        """Raise ValidationFailed if the cursor is a position in another log."""
        if (self.server_id, self.epoch) != (server_id, epoch):
            raise ValidationFailed("The cursor is a position in another log", message="Invalid cursor")


@dataclass(frozen=True, slots=True)
class CursorSigner:
    """Writes and reads cursors under one secret."""

    secret: bytes = field(repr=False)
    key_id: int = 1

    def write(self, cursor: Cursor) -> str:
        """Return the cursor as text."""
        server = uuid.UUID(cursor.server_id).bytes
        body = _FORM.pack(VERSION, self.key_id, server, cursor.epoch, cursor.seq)
        return base64.urlsafe_b64encode(body + self._tag(body)).decode().rstrip("=")

    def read(self, text: str) -> Cursor:
        """Return the cursor behind the text; raise ValidationFailed if this deployment did not write it."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        body, tag = raw[: _FORM.size], raw[_FORM.size :]
        if len(raw) != _LENGTH or not hmac.compare_digest(tag, self._tag(body)):
            raise ValidationFailed(
                "The cursor was not issued by this server; begin again without one", message="Invalid cursor"
            )
        _version, _key_id, server, epoch, seq = _FORM.unpack(body)
        return Cursor(str(uuid.UUID(bytes=server)), epoch, seq)

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, hashlib.sha256)[:TAG_BYTES]


async def open_signer(database: Database, journal: Journal, secret: str | None) -> CursorSigner:
    """Return a signer under the operator's secret, or under one kept in the database, made at need."""
    if secret is not None:
        return CursorSigner(hashlib.sha256(secret.encode()).digest(), key_id=0)
    kept = await database.read(store.secrets.find_newest)
    if kept is None:
        kept = await journal.append_one(_make_all, None)
    return CursorSigner(kept.value, kept.id)


def _make(transaction: Transaction, _draft: None) -> Secret:
    row = Secret(id=1, value=secrets.token_bytes(32), created_at=transaction.now)
    store.secrets.add(transaction.connection, row.model_dump())
    return row


_make_all = one_by_one(_make)
