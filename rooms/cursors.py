"""Cursors and pids: where in a server's log somebody stands, as texts that only this deployment can make.

Both are opaque to clients. Inside are a version, the id of the secret that signed it, the server, the
log's epoch, the seq, and a keyed BLAKE2s of 17 bytes (RFC 7693, 2.9), in base64url. A cursor may carry
a *lag*: one channel of which less has been seen. A pid carries besides which connection it names, and
whose it is; and, if its client had to begin anew with it, why.
"""

from __future__ import annotations

import base64
import binascii
import enum
import functools
import hashlib
import hmac
import secrets
import struct
import time
import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from rooms import store
from rooms.database import Database
from rooms.errors import ValidationFailed
from rooms.ids import new_id
from rooms.tables import Secret

CURSOR, LAGGING_CURSOR, PID, TICKET, ANEW_PID, LINK = 1, 2, 3, 4, 5, 6
TAG_BYTES = 17  # so that the commonest text ends without padding

_LOG = struct.Struct(">BB16sQ")  # version, key id, server, epoch
_SEQ = struct.Struct(">Q")
_LAG = struct.Struct(">16sQQ")
_OWNER = struct.Struct(">16s8s")
_REASON = struct.Struct(">B")
_HEAD = _LOG.size + _SEQ.size
_REST = {CURSOR: 0, LAGGING_CURSOR: _LAG.size, PID: _OWNER.size, ANEW_PID: _OWNER.size + _REASON.size}


class Reason(enum.StrEnum):
    """Why a client cannot go on from where it was; pids name them by their places here."""

    INVALID = "invalid"  # this deployment did not write what the client sent, or not for it
    EPOCH = "epoch"  # the log has begun anew since then
    RETENTION = "retention"  # what the client missed is no longer kept


_REASONS = tuple(Reason)


class Lag(NamedTuple):
    """A channel of which the events after ``after``, up to ``until``, have not been seen yet."""

    channel_id: str
    after: int
    until: int


class Cursor(NamedTuple):
    """A position: everything of the server's log up to ``seq`` has been seen, but for the lag."""

    server_id: str
    epoch: int
    seq: int
    lag: Lag | None = None

    def require_server(self, server_id: str) -> Cursor:
        """Return the cursor; raise ValidationFailed if it is a position in another server's log."""
        if self.server_id != server_id:
            raise ValidationFailed(
                "The cursor is a position in another server's log", message="Invalid cursor"
            )
        return self

    def require_log(self, server_id: str, epoch: int) -> None:
        """Raise ValidationFailed if the cursor is a position in another log."""
        if (self.server_id, self.epoch) != (server_id, epoch):
            raise ValidationFailed(
                "The cursor is a position in another log; use one of this message server",
                message="Invalid cursor",
            )


@dataclass(frozen=True, slots=True)
class Pid:
    """The name by which a client finds its connection again, and where in the log that began.

    ``reason`` is why the client had to begin anew there.
    """

    id: str
    owner: bytes
    start: Cursor
    reason: Reason | None = None

    @classmethod
    def make(cls, principal_id: str, start: Cursor, reason: Reason | None = None) -> Pid:
        """Return the name of a connection that begins."""
        return cls(new_id(), _owner(principal_id), start, reason)

    def belongs_to(self, principal_id: str) -> bool:
        """Tell whether the connection is the principal's."""
        return self.owner == _owner(principal_id)


@dataclass(frozen=True, slots=True)
class CursorSigner:
    """Writes and reads cursors and pids under one secret of at most 32 bytes."""

    secret: bytes = field(repr=False)
    key_id: int = 1

    def write(self, cursor: Cursor) -> str:
        """Return the cursor as text."""
        return self.write_position(cursor.server_id, cursor.epoch, cursor.seq, cursor.lag)

    def write_position(self, server_id: str, epoch: int, seq: int, lag: Lag | None = None) -> str:
        """Return the text of a cursor whose parts are at hand."""
        if lag is None:
            return self._seal(_log(CURSOR, self.key_id, server_id, epoch) + _SEQ.pack(seq))
        rest = _LAG.pack(_uuid_bytes(lag.channel_id), lag.after, lag.until)
        return self._seal(_log(LAGGING_CURSOR, self.key_id, server_id, epoch) + _SEQ.pack(seq) + rest)

    def read(self, text: str) -> Cursor:
        """Return the cursor behind the text; raise ValidationFailed if this deployment did not write it."""
        kind, start, rest = self._open(text)
        if kind == CURSOR:
            return start
        if kind == LAGGING_CURSOR:
            channel, after, until = _LAG.unpack(rest)
            lag = Lag(str(uuid.UUID(bytes=channel)), after, until)
            return Cursor(start.server_id, start.epoch, start.seq, lag)
        raise _foreign()

    def write_pid(self, pid: Pid) -> str:
        """Return the pid as text."""
        start, reason = pid.start, pid.reason
        kind = PID if reason is None else ANEW_PID
        head = _log(kind, self.key_id, start.server_id, start.epoch) + _SEQ.pack(start.seq)
        rest = b"" if reason is None else _REASON.pack(_REASONS.index(reason))
        return self._seal(head + _OWNER.pack(_uuid_bytes(pid.id), pid.owner) + rest)

    def read_pid(self, text: str) -> Pid:
        """Return the pid behind the text; raise ValidationFailed if this deployment did not write it."""
        kind, start, rest = self._open(text)
        if kind not in (PID, ANEW_PID):
            raise _foreign()
        connection, owner = _OWNER.unpack_from(rest)
        reason = _REASONS[rest[-1]] if kind == ANEW_PID else None
        return Pid(str(uuid.UUID(bytes=connection)), owner, start, reason)

    def write_ticket(self, body: bytes) -> str:
        """Return what a ticket says, whatever that is, as a text that only this deployment can make."""
        return self._seal(bytes((TICKET, self.key_id)) + body)

    def read_ticket(self, text: str) -> bytes:
        """Return what the ticket says; raise ValidationFailed if this deployment did not write it."""
        kind, body = self._unseal(text)
        if kind != TICKET:
            raise _foreign()
        return body[2:]

    def write_link(self, body: bytes) -> str:
        """Return what a link to a file says, as a text that only this deployment can make."""
        return self._seal(bytes((LINK, self.key_id)) + body)

    def read_link(self, text: str) -> bytes:
        """Return what the link says; raise ValidationFailed if this deployment did not write it."""
        kind, body = self._unseal(text)
        if kind != LINK:
            raise _foreign()
        return body[2:]

    def _seal(self, body: bytes) -> str:
        return base64.urlsafe_b64encode(body + self._tag(body)).rstrip(b"=").decode()

    def _tag(self, body: bytes) -> bytes:
        # A third of what an HMAC costs; every event carries one.
        return hashlib.blake2s(body, key=self.secret, digest_size=TAG_BYTES).digest()

    def _open(self, text: str) -> tuple[int, Cursor, bytes]:
        """Return what kind of text it is, the position in it, and what follows."""
        kind, body = self._unseal(text)
        if kind not in _REST or len(body) != _HEAD + _REST[kind]:
            raise _foreign()
        _kind, _key_id, server, epoch = _LOG.unpack_from(body)
        (seq,) = _SEQ.unpack_from(body, _LOG.size)
        return kind, Cursor(str(uuid.UUID(bytes=server)), epoch, seq), body[_HEAD:]

    def _unseal(self, text: str) -> tuple[int, bytes]:
        """Return what kind of text it is, and all of its body."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _foreign() from None
        body, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
        if not body or not hmac.compare_digest(tag, self._tag(body)):
            raise _foreign()
        return body[0], body


def _foreign() -> ValidationFailed:
    return ValidationFailed(
        "The cursor was not issued by this server; begin again without one", message="Invalid cursor"
    )


@functools.lru_cache(maxsize=4096)
def _log(kind: int, key_id: int, server_id: str, epoch: int) -> bytes:
    """Return what all cursors of one log begin with."""
    return _LOG.pack(kind, key_id, _uuid_bytes(server_id), epoch)


def _uuid_bytes(text: str) -> bytes:
    return uuid.UUID(text).bytes


def _owner(principal_id: str) -> bytes:
    return hashlib.blake2b(principal_id.encode(), digest_size=8).digest()


async def open_signer(database: Database, secret: str | None) -> CursorSigner:
    """Return a signer under the operator's secret, or under one kept in the database, made at need."""
    if secret is not None:
        return CursorSigner(hashlib.sha256(secret.encode()).digest(), key_id=0)
    kept = await database.read(store.secrets.find_newest)
    if kept is None:
        kept = await database.write(_make)
    return CursorSigner(kept.value, kept.id)


def _make(connection: Connection) -> Secret:
    row = Secret(id=1, value=secrets.token_bytes(32), created_at=int(time.time() * 1000))
    store.secrets.add(connection, row.model_dump())
    return row
