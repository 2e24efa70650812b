"""An answer that is written as an agent says it: server-sent events, from the message to the reply's end.

It always ends: with ``done``, or with ``error`` if the agent's run has gone wrong. Events carry the keys
of elizaOS's servers, and those that its web client looks for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from handlers import reply_wire
from handlers.following import Follower
from handlers.http import Call
from handlers.sse import BEAT_SECONDS, WRITE_SECONDS
from handlers.waiting import ends_of, following_channel
from rooms import conversations, keys, runs
from rooms.errors import AuthenticationFailed, Unavailable
from rooms.rows import Message, Run
from rooms.streams import Stream

_log = logging.getLogger("parley.streams")


LookUp = Callable[[], Awaitable[Sequence[Run]]]


class ReplyStream(web.StreamResponse):
    """What one client is told of the reply to its message: of the first agent that says something.

    It is written where aiohttp prepares it, as :class:`handlers.sse.EventStream` is. ``look_up`` returns
    the runs that the message has opened.
    """

    def __init__(self, call: Call[Any], message: Message, look_up: LookUp) -> None:
        super().__init__(
            headers={
                hdrs.CONTENT_TYPE: "text/event-stream",
                hdrs.CACHE_CONTROL: "no-cache",
                "X-Accel-Buffering": "no",  # a proxy must not keep events to itself
            }
        )
        self._call = call
        self._message = message
        self._look_up = look_up
        self._stream: Stream | None = None  # whose chunks are passed on
        self._told = 0  # chunks

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the headers, and then everything, until the run is over, or the client or the process gone."""
        writer = await super().prepare(request)
        try:
            await self._write("user_message", reply_wire.bus_message(self._message))
            await self._tell_reply()
        except (AuthenticationFailed, ConnectionError, TimeoutError):
            _cut(request)
        except Exception as error:  # noqa: BLE001 - the reply is stored, and found in the history
            if not isinstance(error, Unavailable):
                _log.exception("a reply could not be streamed")
            _cut(request)
        return writer

    async def _tell_reply(self) -> None:
        message = self._message
        async with following_channel(self._call, message.server_id, message.channel_id) as follower:
            found = await self._look_up()
            if not reply_wire.is_told(found):
                with ExitStack() as watched:
                    for run in found:
                        watched.enter_context(self._call.ctx.streams.watching(run.id, follower.ring))
                    await self._follow(follower, found)
        await self._end(self._find_told(await self._look_up()))

    async def _follow(self, follower: Follower, found: Sequence[Run]) -> None:
        """Pass on chunks until there is nothing more to tell, or the process is about to stop."""
        clock = asyncio.get_running_loop().time
        beat_at = clock() + BEAT_SECONDS
        next_page = ends_of({run.id for run in found})
        is_over = False
        while not (is_over or follower.is_over):
            page = await next_page(self._call.ctx, follower)
            if not await self._tell_chunks(found) and page is None:
                await follower.wait(beat_at - clock())
            if page:
                run = self._find_told(await self._look_up())
                is_over = run is None or runs.is_over(run)
            if clock() >= beat_at:
                beat_at = clock() + BEAT_SECONDS
                await keys.require_current(self._call.ctx, self._call.principal)
                await self._send(b":\n\n")

    def _find_told(self, found: Sequence[Run]) -> Run | None:
        """Return the run that is told of: that of the agent which has begun to speak, if one has."""
        if self._stream is None:
            return reply_wire.foremost(found)
        return next((run for run in found if run.id == self._stream.run.id), None)

    async def _tell_chunks(self, found: Sequence[Run]) -> bool:
        """Send what was said since the last chunk that was sent, and tell whether that was anything."""
        stream = self._stream = self._stream or self._find_stream(found)
        if stream is None or stream.next_index <= self._told:
            return False
        index, text = stream.since(self._told)
        self._told = stream.next_index
        about = {"messageId": stream.run.reply_id, "agentId": stream.run.agent_id, "index": index}
        count = self._told - index
        await self._write("chunk", about | {"chunk": text, "count": count, "type": "chunk", "text": text})
        return True

    def _find_stream(self, found: Sequence[Run]) -> Stream | None:
        streams = (self._call.ctx.streams.find(run.id) for run in found)
        return next((stream for stream in streams if stream is not None and stream.next_index), None)

    async def _end(self, run: Run | None) -> None:
        reply = await conversations.find_reply(self._call.ctx, run) if run else None
        said = reply_wire.outcome(run, reply)
        if run is None or reply_wire.is_answered(run):
            content = said.pop("agentResponse") or {"text": ""}
            await self._write("done", {**said, **content, "type": "complete"})
        else:
            await self._write("error", {**said, "error": _why(run), "type": "error"})

    async def _write(self, event: str, data: dict[str, Any]) -> None:
        await self._send(b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(data)))

    async def _send(self, text: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.write(text)


def _why(run: Run) -> str:
    """Return why there is no reply; a run that is not over goes on without whoever has waited for it."""
    if runs.is_over(run):
        return f"The agent has not answered: {run.reason or run.state}"
    return "This server stops; the reply is still to come, and will be in the history"


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
