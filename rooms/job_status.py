"""What has become of a job: what is stored of that, and what is told by it and the time."""

from __future__ import annotations

import enum

from rooms.rows import Job

OPEN = "open"  # what is stored until an end comes in time; if none does, it stays


class Status(enum.StrEnum):
    """What is told of a job; ``pending`` is a word of elizaOS's for what is not stored yet."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"


def status_of(job: Job, now: int) -> Status:
    """Return what has become of the job by a time in milliseconds."""
    if job.state != OPEN:
        return Status(job.state)
    return Status.TIMEOUT if job.expires_at <= now else Status.PROCESSING
