"""What requests about jobs must look like, and their answers, which stand alone; times are milliseconds."""

# ruff: noqa: N815 - the wire's spelling

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictFloat

from handlers.parsing import Body
from rooms import jobs
from rooms.job_status import Status, status_of
from rooms.jobs import (
    DEFAULT_TIMEOUT_MS,
    MAX_TIMEOUT_MS,
    MIN_TIMEOUT_MS,
    Found,
    JobDraft,
    Report,
    Totals,
)
from rooms.principals import Principal
from rooms.rows import Job, Message
from rooms.rules import Content, IdempotencyKey, Metadata, PrincipalId, Uuid

_OVER = (Status.COMPLETED, Status.FAILED, Status.TIMEOUT)
_OWN = ("jobId", "isJobMessage")  # what a job adds to the metadata of its message


class CreateJob(Body):
    """A question to an agent; without ``agentId`` to the first that is active."""

    userId: PrincipalId
    content: Content
    agentId: PrincipalId | None = None
    metadata: Metadata = Field(default_factory=dict)
    timeoutMs: Annotated[StrictFloat, Field(ge=MIN_TIMEOUT_MS, le=MAX_TIMEOUT_MS)] = DEFAULT_TIMEOUT_MS
    messageId: IdempotencyKey | None = None
    jobId: Uuid | None = None

    def draft(self, principal: Principal) -> JobDraft:
        """Return the job that is to be."""
        return JobDraft(
            principal=principal,
            user_id=self.userId,
            content=self.content,
            agent_id=self.agentId,
            metadata=self.metadata,
            timeout_ms=round(self.timeoutMs),
            key=self.messageId,
            id=self.jobId,
        )


class NewJob(BaseModel):
    """That a job was made."""

    jobId: str
    status: str = Field(description=", ".join(Status))
    createdAt: int
    expiresAt: int


class Answer(BaseModel):
    """What the agent has answered."""

    id: str
    content: str
    authorId: str
    createdAt: int
    metadata: dict[str, Any]


class Result(BaseModel):
    """The answer, and how long it took."""

    message: Answer
    processingTimeMs: int


class Details(NewJob):
    """A job as it is now."""

    agentId: str
    userId: str
    prompt: str = Field(description="empty if the message was deleted")
    metadata: dict[str, Any]
    channelId: str
    runId: str | None
    result: Result | None = Field(None, description="missing unless it is completed")
    error: str | None = Field(None, description="missing unless it has failed, or its time is over")


class Jobs(BaseModel):
    """Jobs, the newest first; ``total`` counts all, ``filtered`` those with the status that was asked for."""

    jobs: list[Details]
    total: int
    filtered: int


class Counts(BaseModel):
    """How many jobs there are of each status."""

    pending: int
    processing: int
    completed: int
    failed: int
    timeout: int


class Metrics(BaseModel):
    """How jobs end: rates are of those that are over, from 0 to 1."""

    averageProcessingTimeMs: float = Field(description="of those that are completed")
    successRate: float
    failureRate: float
    timeoutRate: float


class Health(BaseModel):
    """How many jobs there are, and how they end."""

    healthy: bool
    timestamp: int
    totalJobs: int
    statusCounts: Counts
    metrics: Metrics
    maxJobs: int = Field(description="how many are kept")


def new_job(job: Job, now: int) -> dict[str, Any]:
    """Return that a job was made, or had been before."""
    return {
        "jobId": job.id,
        "status": status_of(job, now),
        "createdAt": job.created_at,
        "expiresAt": job.expires_at,
    }


def details(report: Report, now: int) -> dict[str, Any]:
    """Return a job as it is now."""
    job, question, reply = report
    stated = question.details if question else {}
    return {
        **new_job(job, now),
        "agentId": job.agent_id,
        "userId": job.user_id,
        "prompt": question.content if question else "",
        "metadata": {name: value for name, value in stated.items() if name not in _OWN},
        "channelId": job.channel_id,
        "runId": job.run_id,
        **({"result": _result(job, reply)} if reply else {}),
        **_error(job, now),
    }


def _result(job: Job, reply: Message) -> dict[str, Any]:
    message = {
        "id": reply.id,
        "content": reply.content,
        "authorId": reply.author_id,
        "createdAt": reply.created_at,
        "metadata": reply.details,
    }
    return {"message": message, "processingTimeMs": (job.ended_at or job.created_at) - job.created_at}


def _error(job: Job, now: int) -> dict[str, str]:
    match status_of(job, now):
        case Status.FAILED:
            return {"error": f"The agent has not answered: {job.reason}"}
        case Status.TIMEOUT:
            return {"error": f"The agent has not answered within {job.expires_at - job.created_at} ms"}
    return {}


def page(found: Found, now: int) -> dict[str, Any]:
    """Return a page of jobs."""
    return {
        "jobs": [details(report, now) for report in found.reports],
        "total": found.total,
        "filtered": found.filtered,
    }


def health(totals: Totals, now: int) -> dict[str, Any]:
    """Return how many jobs there are, and how they end."""
    counts = totals.counts
    over = sum(counts[status] for status in _OVER) or 1
    return {
        "healthy": True,
        "timestamp": now,
        "totalJobs": sum(counts.values()),
        "statusCounts": {status.value: count for status, count in counts.items()},
        "metrics": {
            "averageProcessingTimeMs": totals.average_ms,
            "successRate": counts[Status.COMPLETED] / over,
            "failureRate": counts[Status.FAILED] / over,
            "timeoutRate": counts[Status.TIMEOUT] / over,
        },
        "maxJobs": jobs.KEPT_JOBS,
    }
