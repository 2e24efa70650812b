"""An answer that is written as an agent says it: server-sent events, from the message to the reply's end.

It always ends: with ``done``, or with ``error`` if the agent's run has gone wrong. Events carry the keys
of elizaOS's servers, and those that its web client looks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from handlers import reply_wire
from handlers.following import Follower
from handlers.http import Gate
from handlers.later import Line
from handlers.sse import BEAT_SECONDS
from handlers.waiting import LookUp, ends_of, follow_channel
from rooms import conversations, keys, runs
from rooms.errors import AuthenticationFailed
from rooms.principals import Principal
from rooms.rows import Message, Run
from rooms.streams import Stream


class ReplyStream:
    """What one client is told of the reply to its message: of the first agent that says something.

    ``look_up`` returns the runs that the message has opened.
    """

    __slots__ = ("_gate", "_look_up", "_principal", "_stream", "_told")

    def __init__(self, gate: Gate, principal: Principal, look_up: LookUp) -> None:
        self._gate = gate
        self._principal = principal
        self._look_up = look_up
        self._stream: Stream | None = None  # whose chunks are passed on
        self._told = 0  # chunks

    async def tell(self, server_id: str, channel_id: str, line: Line) -> None:
        """Send what comes in the message's channel, until the run is over, or the client or the process gone.

        The client of a key that was revoked comes back, and is told why it was cut off.
        """
        try:
            with await follow_channel(self._gate, self._principal, server_id, channel_id) as follower:
                found = await self._look_up()
                run_ids = [] if reply_wire.is_told(found) else [run.id for run in found]
                del found  # the rows are not kept while their ends are waited for
                if run_ids:
                    await self._follow(line, follower, run_ids)
            await self._end(line, self._find_told(await self._look_up()))
        except AuthenticationFailed:
            raise ConnectionError from None

    async def _follow(self, line: Line, follower: Follower, run_ids: list[str]) -> None:
        """Pass on chunks until there is nothing more to tell, or the process is about to stop."""
        clock = asyncio.get_running_loop().time
        beat_at = clock() + BEAT_SECONDS
        next_page = ends_of(run_ids)
        is_over = False
        self._gate.ctx.streams.watch(run_ids, follower.ring)
        try:
            while not (is_over or follower.is_over):
                page = await next_page(self._gate.ctx, follower)
                if not await self._tell_chunks(line, run_ids) and page is None:
                    await follower.wait(beat_at - clock())
                if page:
                    run = self._find_told(await self._look_up())
                    is_over = run is None or runs.is_over(run)
                if clock() >= beat_at:
                    beat_at = clock() + BEAT_SECONDS
                    await keys.require_current(self._gate.ctx, self._principal)
                    await line.write(b":\n\n")
        finally:
            self._gate.ctx.streams.leave(run_ids, follower.ring)

    def _find_told(self, found: Sequence[Run]) -> Run | None:
        """Return the run that is told of: that of the agent which has begun to speak, if one has."""
        if self._stream is None:
            return reply_wire.foremost(found)
        return next((run for run in found if run.id == self._stream.run.id), None)

    async def _tell_chunks(self, line: Line, run_ids: list[str]) -> bool:
        """Send what was said since the last chunk that was sent, and tell whether that was anything."""
        stream = self._stream = self._stream or self._find_stream(run_ids)
        if stream is None or stream.next_index <= self._told:
            return False
        index, text = stream.since(self._told)
        self._told = stream.next_index
        about = {"messageId": stream.run.reply_id, "agentId": stream.run.agent_id, "index": index}
        count = self._told - index
        told = about | {"chunk": text, "count": count, "type": "chunk", "text": text}
        await line.write(_event("chunk", told))
        return True

    def _find_stream(self, run_ids: list[str]) -> Stream | None:
        streams = map(self._gate.ctx.streams.find, run_ids)
        return next((stream for stream in streams if stream is not None and stream.next_index), None)

    async def _end(self, line: Line, run: Run | None) -> None:
        reply = await conversations.find_reply(self._gate.ctx, run) if run else None
        said = reply_wire.outcome(run, reply)
        if run is None or reply_wire.is_answered(run):
            content = said.pop("agentResponse") or {"text": ""}
            await line.write(_event("done", {**said, **content, "type": "complete"}))
        else:
            await line.write(_event("error", {**said, "error": _why(run), "type": "error"}))


def opening(message: Message) -> bytes:
    """Return the first event of every such stream: the message that was said."""
    return _event("user_message", reply_wire.bus_message(message))


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


def _why(run: Run) -> str:
    """Return why there is no reply; a run that is not over goes on without whoever has waited for it."""
    if runs.is_over(run):
        return f"The agent has not answered: {run.reason or run.state}"
    return "This server stops; the reply is still to come, and will be in the history"
