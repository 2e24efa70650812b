"""Uploaded files: known by their bytes, and reached by links that nobody can guess.

A link names a file, where it was uploaded, and is signed by the deployment; it is good for whoever has it,
as an image in a page must be. A file lies under a random name in the directory of :class:`Policy`.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import puremagic
from sqlalchemy import Connection

from rooms import access
from rooms.context import Context
from rooms.errors import NotFound, TooLarge, ValidationFailed
from rooms.principals import Principal

ID_BYTES = 16
OWNER_BYTES = 8
STALE_SECONDS = 3_600  # after which what somebody began to upload is nobody's any more

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "pdf": "application/pdf",
    "docx": DOCX,
    "txt": "text/plain",
}
_ALLOWED = "JPG, PNG, GIF, WebP, MP3, WAV, OGG, AAC, FLAC, M4A, MP4, MOV, WebM, PDF, DOCX or plain text"
# Other names under which the library knows them, and one that it takes MP3 for.
_NAMES = {
    "jpeg": "jpg",
    "jpe": "jpg",
    "jfif": "jpg",
    "mpga": "mp3",
    "koz": "mp3",
    "oga": "ogg",
    "opus": "ogg",
}
_PIECE = 1 << 18
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f")) + b"\x7f"


class Place(NamedTuple):
    """Where a file is uploaded: in a channel, or in a conversation with an agent."""

    kind: str  # as links have it: channels or agents
    id: str

    @property
    def digest(self) -> bytes:
        """What a link says of the place."""
        return hashlib.blake2b(f"{self.kind}/{self.id}".encode(), digest_size=OWNER_BYTES).digest()


class Upload(NamedTuple):
    """A file that is kept: by what link it is reached, what it is, and how many bytes it has."""

    link: str
    type: str
    size: int

    @property
    def name(self) -> str:
        """The last part of the link."""
        return self.link.rpartition("/")[2]


class Found(NamedTuple):
    """A file, and what it is."""

    path: Path
    type: str


class Incoming:
    """A file on its way in, of at most so many bytes."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file = file
        self.size = 0
        self._most = most

    def write(self, piece: bytes) -> None:
        """Add a piece; raise TooLarge if that makes it too large."""
        self.size += len(piece)
        if self.size > self._most:
            raise too_large(self._most)
        self.file.write(piece)


async def require_channel(ctx: Context, principal: Principal, channel_id: str) -> Place:
    """Return the channel as a place for files; raise NotFound or PermissionDenied as for a message there."""

    def check(connection: Connection) -> None:
        standing = access.require_standing(connection, principal, channel_id)
        access.require_post(principal, standing.role)

    await ctx.database.read(check)
    return Place("channels", channel_id)


@contextlib.contextmanager
def receiving(ctx: Context) -> Iterator[Incoming]:
    """Give a file to be written; nothing is left of it unless it is kept."""
    directory = _incoming(ctx)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        try:
            yield Incoming(file, ctx.policy.max_upload)
        finally:
            Path(file.name).unlink(missing_ok=True)


def keep(ctx: Context, place: Place, incoming: Incoming) -> Upload:
    """Keep the file; raise ValidationFailed if it is empty, or nothing that may be uploaded.

    It is on the disk when this returns. Reads and writes files: for a thread.
    """
    incoming.file.flush()
    path = Path(incoming.file.name)
    extension = identify(path) if incoming.size else None
    if extension is None:
        raise ValidationFailed(f"The file must be {_ALLOWED}, by its content and not by its name alone")
    os.fsync(incoming.file.fileno())
    file_id = secrets.token_bytes(ID_BYTES)
    target = _path(ctx, file_id, extension)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.rename(target)
    name = f"{ctx.cursors.write_link(place.digest + file_id)}.{extension}"
    return Upload(f"/media/uploads/{place.kind}/{place.id}/{name}", TYPES[extension], incoming.size)


def find(ctx: Context, place: Place, name: str) -> Found:
    """Return the file that the last part of a link names; raise NotFound unless it is a link of ours."""
    token, _, extension = name.rpartition(".")
    missing = NotFound("There is no such file, or the link to it is not whole", message="File not found")
    try:
        body = ctx.cursors.read_link(token)
    except ValidationFailed:
        raise missing from None
    file_id = body.removeprefix(place.digest)
    path = _path(ctx, file_id, extension) if len(file_id) == ID_BYTES and extension in TYPES else None
    if path is None or not path.is_file():
        raise missing
    return Found(path, TYPES[extension])


def identify(path: Path) -> str | None:
    """Return the extension of what the file is by its bytes, or None if that may not be uploaded."""
    try:
        matches = puremagic.magic_file(path)
    except (puremagic.PureError, ValueError):
        matches = []
    best = max((match.confidence for match in matches), default=0.0)
    names = [match.extension.lstrip(".") for match in matches if match.confidence == best]
    known = [name for name in (_NAMES.get(name, name) for name in names) if name in TYPES]
    if "docx" in known:
        return "docx" if _holds(path, b"word/document.xml") else None
    if known:
        return str(known[0])
    return "txt" if _is_text(path) else None


def tidy(directory: Path) -> None:
    """Remove what somebody began to upload before the process ended."""
    for left in (directory / "incoming").glob("*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            left.unlink(missing_ok=True)


def too_large(most: int) -> TooLarge:
    """Return the error for a file beyond the bound."""
    return TooLarge(f"A file must have at most {most} bytes")


def _incoming(ctx: Context) -> Path:
    return ctx.policy.media / "incoming"


def _path(ctx: Context, file_id: bytes, extension: str) -> Path:
    name = file_id.hex()
    return ctx.policy.media / name[:2] / f"{name}.{extension}"


def _holds(path: Path, text: bytes) -> bool:
    # Names in an archive are not packed.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(text) >= 0


def _is_text(path: Path) -> bool:
    """Tell whether the file is text in UTF-8 that is no markup."""
    with path.open("rb") as file:
        piece = file.read(_PIECE)
        if piece.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
            return False
        while piece:
            if len(piece.translate(None, _CONTROLS)) < len(piece):
                return False
            piece = file.read(_PIECE)
    return _is_utf8(path)


def _is_utf8(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            while file.read(_PIECE):
                pass
    except UnicodeDecodeError:
        return False
    return True
