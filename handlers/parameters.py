"""What the parameters behind a path mean, for the OpenAPI description; by what the route answers."""

from __future__ import annotations

from pydantic import BaseModel

from handlers import (
    agent_wire,
    answers,
    approval_wire,
    external_wire,
    job_wire,
    memory_wire,
    post_wire,
    run_summary_wire,
    run_wire,
    server_logs,
    session_wire,
    title_wire,
    transcript_wire,
    webhook_wire,
)

_EVENTS_QUERY = {
    "server_id": "whose log, the default server's unless given",
    "channel_id": "only these channels: repeated, or separated by commas",
    "after": "the cursor to go on from; without one, from now on",
    "wait": "answer within so many seconds, at most 55; without it the answer is a stream",
    "limit": "with wait: how many events at most, 100 unless given, at most 500",
    "ticket": "in place of a credential",
}
_INBOX_QUERY = {name: meaning for name, meaning in _EVENTS_QUERY.items() if name != "channel_id"}
WAIT_QUERY = {"wait": "answer once it is over, or within so many seconds, at most 55"}
_DELIVERIES_QUERY = {
    "state": "only those in this state: queued, delivered, dead, redelivered or obsolete",
    "limit": "page size, 50 unless given, at most 200",
    "before": "only older ones than the delivery with this id",
}
_HISTORY_QUERY = {
    "limit": "page size, 50 unless given, at most 200",
    "offset": "how many messages to pass over",
    "before": "only older ones: epoch milliseconds, ISO 8601 or a cursor",
    "after": "only newer ones: epoch milliseconds, ISO 8601 or a cursor",
    "order": "asc or desc",
}
_APPROVALS_QUERY = {
    "state": "requested unless given, several separated by commas",
    "limit": "how many at most, 50 unless given, at most 200",
}

_SESSIONS_QUERY = {
    "userId": "only this user's",
    "agentId": "only those with this agent",
    "status": "active or expired; both unless given",
    "limit": "page size, 50 unless given, at most 200",
    "before": "only older ones than the session with this id",
}
_TRANSCRIPT_QUERY = {
    "limit": "page size, 50 unless given, at most 100",
    "before": "only older ones: epoch milliseconds or ISO 8601",
    "after": "only newer ones: epoch milliseconds or ISO 8601",
}
_TITLE_QUERY = {
    "limit": "how many of the newest messages are read, 50 unless given, at most 200",
    "before": "only older ones: epoch milliseconds, ISO 8601 or a cursor",
}
_SENT_QUERY = {"wait": "with the transport http: for how many seconds, 25 unless given, at most 55"}
_JOBS_QUERY = {
    "status": "only those that are so: pending, processing, completed, failed or timeout",
    "limit": "how many at most, 50 unless given, at most 200",
}
_PROCESSED_QUERY = {"wait": "for how many seconds, 30 unless given, at most 55; as the header Prefer: wait=N"}
_ROOM_QUERY = {"roomId": "only in this channel"}
_SUMMARIES_QUERY = {
    **_ROOM_QUERY,
    "status": "started, completed, timeout, error or all; all unless given",
    "limit": "page size, 20 unless given, at most 100",
    "from": "only those that began then or later, in epoch milliseconds",
    "to": "only those that began then or earlier, in epoch milliseconds",
}
_ENTRIES_QUERY = {
    **_ROOM_QUERY,
    "count": "how many at most, 50 unless given, at most 100; also as limit",
    "offset": "how many to pass over",
    "type": "only entries of this type",
    "excludeTypes": "no entries of this type; may be repeated",
}
_MEMORIES_QUERY = {
    "channelId": "only what was said in this channel; also as roomId",
    "tableName": "which memories: there are none but those of messages",
    "limit": "page size, 20 unless given, at most 200",
    "before": "only older ones, in epoch milliseconds",
}
_LINES_QUERY = {
    "level": "only lines of this level; all unless given",
    "since": "only lines since then, in epoch milliseconds; an hour ago unless given",
    "limit": "how many at most, 100 unless given, at most 1000",
    "agentName": "all, or the name of an agent, of which there are no lines",
    "agentId": "all, or the id of an agent, of which there are no lines",
}

QUERIES: dict[type[BaseModel], dict[str, str]] = {
    answers.Events: _EVENTS_QUERY,
    answers.History: _HISTORY_QUERY,
    agent_wire.Agents: {"server_id": "only those that take part in a channel of it"},
    run_wire.Inbox: _INBOX_QUERY,
    webhook_wire.Deliveries: _DELIVERIES_QUERY,
    approval_wire.Approvals: _APPROVALS_QUERY,
    session_wire.Sessions: _SESSIONS_QUERY,
    title_wire.Title: _TITLE_QUERY,
    post_wire.Posted: _SENT_QUERY,
    transcript_wire.Sent: _SENT_QUERY,
    external_wire.Processed: _PROCESSED_QUERY,
    job_wire.Jobs: _JOBS_QUERY,
    transcript_wire.Transcript: _TRANSCRIPT_QUERY,
    run_summary_wire.Summaries: _SUMMARIES_QUERY,
    run_summary_wire.Detail: _ROOM_QUERY,
    run_summary_wire.Entries: _ENTRIES_QUERY,
    memory_wire.Memories: _MEMORIES_QUERY,
    server_logs.Lines: _LINES_QUERY,
}
