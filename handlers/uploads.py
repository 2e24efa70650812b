"""REST: files that are uploaded, and the links by which they are shown."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from handlers import bodies
from handlers.http import Call
from rooms import agents, media
from rooms.context import Context
from rooms.errors import Unavailable, ValidationFailed
from rooms.media import Incoming, Place, Upload

UPLOAD_SECONDS = 120.0
MAX_PARTS = 20
MAX_NAME = 255
FIELD = "file"
PIECE = 1 << 18

_ROOM_FOR_THE_REST = 64 * 1024  # of a body that has a file in it
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=31536000, immutable",
}
_SHOWN = ("image", "audio", "video")


async def to_channel(call: Call[None]) -> dict[str, Any]:
    """Keep a file for a channel in which the principal may post."""
    place = await media.require_channel(call.ctx, call.principal, call.path_id("channel_id"))
    name, kept = await _receive(call, place)
    return _answer(name, kept, kept.type)


async def to_agent(call: Call[None]) -> dict[str, Any]:
    """Keep a file for a conversation with an agent that the principal may know of."""
    agent = await agents.require(call.ctx, call.principal, call.agent_id)
    name, kept = await _receive(call, Place("agents", agent.id))
    kind = kept.type.partition("/")[0]
    return _answer(name, kept, kind if kind in _SHOWN else "document")


def show(ctx: Context) -> Handler:
    """Return what answers a file to whoever has its link: shown by a page, or, if it is no medium, saved."""

    async def answer(request: web.Request) -> web.FileResponse:
        path = request.match_info
        place = Place(path["kind"], path["place_id"])
        found = await asyncio.to_thread(media.find, ctx, place, path["name"])
        is_shown = found.type.startswith(_SHOWN)
        charset = "; charset=utf-8" if found.type.startswith("text/") else ""
        about = {
            "Content-Type": found.type + charset,
            "Content-Disposition": "inline" if is_shown else "attachment",
        }
        return web.FileResponse(found.path, headers=_HEADERS | about)

    return answer


def _answer(name: str, kept: Upload, kind: str) -> dict[str, Any]:
    return {
        "url": kept.link,
        "type": kind,
        "filename": kept.name,
        "originalName": name,
        "size": kept.size,
    }


async def _receive(call: Call[None], place: Place) -> tuple[str, Upload]:
    """Take the file out of the body; return what it was called, and what it is now."""
    most = call.ctx.policy.max_upload
    if (call.request.content_length or 0) > most + _ROOM_FOR_THE_REST:
        raise media.too_large(most)
    try:
        async with bodies.arriving("The file", UPLOAD_SECONDS):
            return await _keep_file(call, place, await _parts(call))
    except OSError as error:
        raise Unavailable("The file cannot be stored at the moment; try again later") from error
    except (ValueError, HttpProcessingError):
        raise ValidationFailed("The body does not follow multipart/form-data") from None


async def _parts(call: Call[None]) -> MultipartReader:
    if call.request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(
            reason="Unsupported media type",
            text=f"Send the body as Content-Type: multipart/form-data, with the file in the field '{FIELD}'",
        )
    return await call.request.multipart()


async def _keep_file(call: Call[None], place: Place, parts: MultipartReader) -> tuple[str, Upload]:
    name = None
    with media.receiving(call.ctx) as incoming:
        for _ in range(MAX_PARTS):
            part = await parts.next()
            if part is None:
                break
            if isinstance(part, BodyPartReader) and part.name == FIELD and name is None:
                name = _shown_name(part.filename or "")
                await _write(part, incoming)
            else:
                await part.release()
        else:
            raise ValidationFailed(f"The body must have at most {MAX_PARTS} fields")
        if name is None:
            raise ValidationFailed(f"Required field '{FIELD}' is missing; it must be a file")
        # Only now: a body that is not whole has no end.
        return name, await asyncio.to_thread(media.keep, call.ctx, place, incoming)


async def _write(part: BodyPartReader, incoming: Incoming) -> None:
    pieces = bytearray()
    while piece := await part.read_chunk(PIECE):
        pieces += piece
        if len(pieces) >= PIECE:
            await asyncio.to_thread(incoming.write, bytes(pieces))
            pieces.clear()
    await asyncio.to_thread(incoming.write, bytes(pieces))


def _shown_name(stated: str) -> str:
    """Return what a file was called, without the folders that it lay in."""
    name = re.split(r"[\\/]", stated)[-1]
    return _UNPRINTABLE.sub("", name)[:MAX_NAME]
