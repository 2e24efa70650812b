"""Runs in elizaOS's words: summaries, details, and the entries of an agent's log that tell of them."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

import enum
import uuid
from typing import Any

from pydantic import BaseModel, Field, RootModel

from rooms.rows import Run
from rooms.runs import OPEN, State, is_over


class Status(enum.StrEnum):
    """Where a run stands, in elizaOS's words."""

    STARTED = "started"
    COMPLETED = "completed"
    TIMEOUT = "timeout"
    ERROR = "error"
    ALL = "all"


STATES: dict[Status, frozenset[State]] = {
    Status.STARTED: OPEN,
    Status.COMPLETED: frozenset({State.COMPLETED, State.IGNORED}),
    Status.TIMEOUT: frozenset({State.TIMED_OUT}),
    Status.ERROR: frozenset({State.FAILED, State.CANCELLED}),
    Status.ALL: frozenset(),
}
_STATUS = {state: status for status, states in STATES.items() for state in states}


class Counts(BaseModel):
    """What elizaOS counts within a run; Parley sees its end alone."""

    actions: int
    modelCalls: int
    errors: int
    evaluators: int


class Summary(BaseModel):
    """A run; times are epoch milliseconds."""

    runId: str
    status: str = Field(description="started, completed, timeout or error")
    startedAt: int
    endedAt: int | None
    durationMs: int | None
    messageId: str
    roomId: str
    entityId: str
    counts: Counts
    metadata: dict[str, Any]


class Summaries(BaseModel):
    """Runs, the newest first, and how many there are in all."""

    runs: list[Summary]
    total: int
    hasMore: bool


class Event(BaseModel):
    """Something that happened in a run."""

    type: str = Field(description="RUN_STARTED or RUN_ENDED")
    timestamp: int
    data: dict[str, Any]


class Detail(BaseModel):
    """A run, and what happened in it."""

    summary: Summary
    events: list[Event]


class Entry(BaseModel):
    """That a run has begun, or ended."""

    id: str
    type: str
    entityId: str
    roomId: str
    createdAt: int
    body: dict[str, Any]


class Entries(RootModel[list[Entry]]):
    """What an agent's log says, the newest first."""


def summary(run: Run) -> dict[str, Any]:
    """Return a run as elizaOS's clients list it."""
    ended_at = run.updated_at if is_over(run) else None
    return {
        "runId": run.id,
        "status": _status(run),
        "startedAt": run.created_at,
        "endedAt": ended_at,
        "durationMs": None if ended_at is None else ended_at - run.created_at,
        "messageId": run.message_id,
        "roomId": run.channel_id,
        "entityId": run.user_id,
        "counts": {"actions": 0, "modelCalls": 0, "errors": int(_has_failed(run)), "evaluators": 0},
        "metadata": {"state": run.state, "reason": run.reason, "agentId": run.agent_id},
    }


def detail(run: Run) -> dict[str, Any]:
    """Return a run with what happened in it."""
    events = [
        {"type": "RUN_STARTED", "timestamp": run.created_at, "data": {"messageId": run.message_id}},
    ]
    if is_over(run):
        how: dict[str, Any] = {"status": _status(run), "durationMs": run.updated_at - run.created_at}
        if _has_failed(run):
            how["error"] = run.reason or run.state
        events.append({"type": "RUN_ENDED", "timestamp": run.updated_at, "data": how})
    return {"summary": summary(run), "events": events}


def entries(run: Run) -> list[dict[str, Any]]:
    """Return what the agent's log says of a run, the newest first."""
    begun = _entry(run, Status.STARTED, run.created_at)
    return [_entry(run, _status(run), run.updated_at), begun] if is_over(run) else [begun]


def _entry(run: Run, status: Status, at: int) -> dict[str, Any]:
    about = {"runId": run.id, "messageId": run.message_id, "roomId": run.channel_id, "entityId": run.user_id}
    return {
        "id": str(uuid.uuid5(uuid.UUID(run.id), status)),
        "type": "run_event",
        "entityId": run.user_id,
        "roomId": run.channel_id,
        "createdAt": at,
        "body": {**about, "status": status, "state": run.state, "reason": run.reason},
    }


def _status(run: Run) -> Status:
    return _STATUS[State(run.state)]


def _has_failed(run: Run) -> bool:
    return _status(run) in (Status.ERROR, Status.TIMEOUT)
