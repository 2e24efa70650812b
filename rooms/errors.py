"""What can go wrong, as one tree; each class carries the code that a client sees.

ParleyError
├── ValidationFailed       VALIDATION_ERROR        the request itself is wrong
├── AuthenticationFailed   AUTHENTICATION_FAILED   no credential, or a bad one
├── PermissionDenied       PERMISSION_DENIED       a good credential without this right
├── NotFound               RESOURCE_NOT_FOUND      it does not exist, or may not be seen
│   ├── AgentNotFound      AGENT_NOT_FOUND         there is no such agent to talk with
│   └── SessionNotFound    SESSION_NOT_FOUND       there is no such session, or no longer
├── SessionExpired         SESSION_EXPIRED         it has ended for want of activity; begin another
├── RenewalFailed          SESSION_RENEWAL_FAILED  it has lasted as long as it may; begin another
├── Conflict               CONFLICT                the same id or key with other content
├── TooLarge               PAYLOAD_TOO_LARGE       more bytes than the limit
├── NotOffered             NOT_IMPLEMENTED         another server does it, this one never
├── RateLimited            RATE_LIMIT_EXCEEDED     too many requests; retry later
└── Unavailable            UNAVAILABLE             cannot be done now; retry later

Every error has a ``message`` (what kind of thing went wrong) and ``details`` (one sentence: what
exactly, and what to do). Anything that is not a ParleyError reaches a client as INTERNAL_ERROR only.
"""

from __future__ import annotations

import math


class ParleyError(Exception):
    """A failure that the client is told about."""

    code = "INTERNAL_ERROR"
    message = "Error processing message"
    details = "Unexpected error occurred while processing the message"

    def __init__(self, details: str | None = None, *, message: str | None = None) -> None:
        self.message = message or self.message
        self.details = details or self.details
        super().__init__(f"{self.message}: {self.details}")


class ValidationFailed(ParleyError):
    """The request is malformed, or breaks a rule of :mod:`rooms.rules`."""

    code = "VALIDATION_ERROR"
    message = "Invalid request body"
    details = "The request body does not have the documented form"


class AuthenticationFailed(ParleyError):
    """No credential, or one that is unknown, expired or revoked."""

    code = "AUTHENTICATION_FAILED"
    message = "Invalid or missing authorization token"
    details = "Bearer token not provided or invalid"


class PermissionDenied(ParleyError):
    """The principal is known and may not do this."""

    code = "PERMISSION_DENIED"
    message = "Insufficient permissions"
    details = "User does not have permission to perform this action"


class NotFound(ParleyError):
    """The thing does not exist, or this principal may not know that it does."""

    code = "RESOURCE_NOT_FOUND"
    message = "Resource not found"
    details = "The requested resource does not exist"


class AgentNotFound(NotFound):
    """There is no agent of this id to talk with."""

    code = "AGENT_NOT_FOUND"
    message = "Agent not found"


class SessionNotFound(NotFound):
    """There is no such session, or it was deleted, or it is somebody else's."""

    code = "SESSION_NOT_FOUND"
    message = "Session not found"


class SessionExpired(ParleyError):
    """The session has ended, and stays ended."""

    code = "SESSION_EXPIRED"
    message = "Session expired"
    details = "The session has expired; create another one"


class RenewalFailed(ParleyError):
    """The session has lasted as long as it may, however often it was renewed."""

    code = "SESSION_RENEWAL_FAILED"
    message = "Session cannot be renewed"
    details = "The session has reached its maximum duration; create another one"


class Conflict(ParleyError):
    """The id or the idempotency key is taken by something else."""

    code = "CONFLICT"
    message = "Conflicting request"
    details = "This id is already in use"


class TooLarge(ParleyError):
    """The request has more bytes than the server reads."""

    code = "PAYLOAD_TOO_LARGE"
    message = "Request too large"
    details = "The request body is larger than the server accepts"


class NotOffered(ParleyError):
    """Clients of another server know it; this one never does it, and says what to do instead."""

    code = "NOT_IMPLEMENTED"
    message = "Not offered"
    details = "This server does not do that"


class RateLimited(ParleyError):
    """The principal's or the address's bucket is empty."""

    code = "RATE_LIMIT_EXCEEDED"
    message = "Rate limit exceeded"

    def __init__(self, retry_after: float) -> None:
        self.retry_after = math.ceil(retry_after)
        super().__init__(f"Too many requests; try again in {self.retry_after} s")


class Unavailable(ParleyError):
    """The server cannot do this at the moment; the same request may succeed later."""

    code = "UNAVAILABLE"
    message = "Service unavailable"
    details = "The database cannot be reached at the moment; retry, with the same messageId if there is one"


def foreign_parent(message_id: str) -> ValidationFailed:
    """Return the refusal for an answer to what is no message of its channel."""
    return ValidationFailed(
        f"Field 'in_reply_to_message_id' must name a message of this channel, not {message_id}"
    )


def channel_not_found(channel_id: str) -> NotFound:
    """Return the error for a channel that is absent, or that the principal may not see."""
    return NotFound(f"Channel with ID '{channel_id}' does not exist", message="Channel not found")


def message_not_found(message_id: str) -> NotFound:
    """Return the error for a message that is absent, deleted, or not for the principal to see."""
    return NotFound(f"Message with ID '{message_id}' does not exist", message="Message not found")


def platform_not_found(platform_id: str) -> NotFound:
    """Return the error for a platform that is absent, or not for the principal to see."""
    return NotFound(f"Platform with ID '{platform_id}' does not exist", message="Platform not found")


def delivery_not_found(delivery_id: str) -> NotFound:
    """Return the error for a delivery that is absent, or another's."""
    return NotFound(f"Delivery with ID '{delivery_id}' does not exist", message="Delivery not found")


def run_not_found(run_id: str) -> NotFound:
    """Return the error for a run that is absent, or not for the principal to see."""
    return NotFound(f"Run with ID '{run_id}' does not exist", message="Run not found")


def approval_not_found(message_id: str) -> NotFound:
    """Return the error for a message that asks for nothing, is absent, or not for the principal to see."""
    return NotFound(f"There is no approval with the ID '{message_id}'", message="Approval not found")


def entity_not_found(entity_id: str) -> NotFound:
    """Return the error for a user, an agent or a service that nobody has heard of."""
    return NotFound(f"Entity with ID '{entity_id}' does not exist", message="Entity not found")


def agent_not_found(agent_id: str) -> NotFound:
    """Return the error for an agent that is absent, or that the principal may not act for."""
    return NotFound(f"Agent with ID '{agent_id}' does not exist", message="Agent not found")


def session_not_found(session_id: str) -> SessionNotFound:
    """Return the error for a session that is absent, or not for the principal to see."""
    return SessionNotFound(f"Session with ID '{session_id}' does not exist")


def job_not_found(job_id: str) -> NotFound:
    """Return the error for a job that is absent, or not for the principal to see."""
    return NotFound(f"Job with ID '{job_id}' does not exist", message="Job not found")


def server_not_found(server_id: str) -> NotFound:
    """Return the error for a message server that is absent."""
    return NotFound(
        f"Message server with ID '{server_id}' does not exist", message="Message server not found"
    )


def is_passing(error: ParleyError) -> bool:
    """Tell whether the same request may succeed later, without a change of it."""
    return isinstance(error, Unavailable | RateLimited | Conflict) or type(error) is ParleyError
