"""The body around every answer, on REST and in acks, and the HTTP status of every error."""

from __future__ import annotations

from typing import Any

from rooms.errors import (
    AgentNotFound,
    AuthenticationFailed,
    Conflict,
    NotFound,
    NotOffered,
    ParleyError,
    PermissionDenied,
    RateLimited,
    RenewalFailed,
    SessionExpired,
    SessionNotFound,
    TooLarge,
    Unavailable,
    ValidationFailed,
)

STATUS: dict[type[ParleyError], int] = {
    ParleyError: 500,
    ValidationFailed: 400,
    AuthenticationFailed: 401,
    PermissionDenied: 403,
    NotFound: 404,
    AgentNotFound: 404,
    SessionNotFound: 404,
    SessionExpired: 410,
    RenewalFailed: 400,
    Conflict: 409,
    TooLarge: 413,
    NotOffered: 501,
    RateLimited: 429,
    Unavailable: 503,
}


# What is wrong is in the details of these alone.
_WITHOUT_WORDS = (ValidationFailed, PermissionDenied, Conflict, TooLarge, NotOffered, RateLimited)


def success(data: Any) -> dict[str, Any]:
    """Wrap what a call answers."""
    return {"success": True, "data": data}


def failure(error: ParleyError) -> dict[str, Any]:
    """Wrap an error; ``details`` is always a string."""
    return problem(error.code, error.message, error.details)


def told_to_eliza(error: ParleyError) -> dict[str, Any]:
    """Wrap an error for clients that show people its ``message`` and nothing else."""
    message = error.details if isinstance(error, _WITHOUT_WORDS) else error.message
    return problem(error.code, message, error.details)


def problem(code: str, message: str, details: str) -> dict[str, Any]:
    """Wrap an error that has no class of its own."""
    return {"success": False, "error": {"code": code, "message": message, "details": details}}
