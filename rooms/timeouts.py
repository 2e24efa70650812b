"""How long a session lasts: what is wished for, what is granted, and when it ends.

A session ends when its timeout has passed since it was created or renewed, and at the latest when it has
lasted as long as it may. All of that follows from numbers that are stored with it, at any time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rooms.errors import RenewalFailed, SessionExpired, ValidationFailed
from rooms.policy import MINUTE_MS, SessionPolicy
from rooms.rows import Session

# A heartbeat is written at most so often, and therefore renews for so much longer than the timeout.
BEAT_MS = 10_000
LONGEST = 2  # times the longest timeout: what no session outlasts, whatever is wished for


class Terms(NamedTuple):
    """What is granted to a session; times in milliseconds."""

    timeout_ms: int
    auto_renew: bool
    duration_ms: int
    warning_ms: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody would like a session's terms to be, in minutes; None leaves that to others."""

    timeout: float | None = None
    auto_renew: bool | None = None
    duration: float | None = None
    warning: float | None = None

    def over(self, other: Wish) -> Wish:
        """Return this wish, with the other one's where it has none."""
        return Wish(
            *(
                theirs if mine is None else mine
                for mine, theirs in zip(_fields(self), _fields(other), strict=True)
            )
        )


def minutes(value: object) -> float | None:
    """Return a number of minutes, which may be written as a text, or None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return None  # a number for Python alone
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def wish_of_agent(settings: Mapping[str, Any]) -> Wish:
    """Return what an agent's settings say about its sessions."""
    auto_renew = settings.get("SESSION_AUTO_RENEW")
    return Wish(
        minutes(settings.get("SESSION_TIMEOUT_MINUTES")),
        None if auto_renew is None else str(auto_renew).lower() == "true",
        minutes(settings.get("SESSION_MAX_DURATION_MINUTES")),
        minutes(settings.get("SESSION_WARNING_THRESHOLD_MINUTES")),
    )


def wish_of_session(session: Session) -> Wish:
    """Return what a session has been granted as a wish."""
    return Wish(
        session.timeout_ms / MINUTE_MS,
        session.auto_renew,
        session.duration_ms / MINUTE_MS,
        session.warning_ms / MINUTE_MS,
    )


def described(session: Session) -> dict[str, Any]:
    """Return the session's terms as clients know them."""
    return {
        "timeoutMinutes": _in_minutes(session.timeout_ms),
        "autoRenew": session.auto_renew,
        "maxDurationMinutes": _in_minutes(session.duration_ms),
        "warningThresholdMinutes": _in_minutes(session.warning_ms),
    }


def grant(policy: SessionPolicy, wish: Wish) -> Terms:
    """Return what comes closest to the wish of what the operator allows."""
    timeout = _or(wish.timeout, policy.default_minutes)
    timeout = min(max(timeout, policy.min_minutes), policy.max_minutes)
    longest = LONGEST * policy.max_minutes
    duration = min(max(_or(wish.duration, policy.duration_minutes), timeout), longest)
    warning = min(max(_or(wish.warning, policy.warning_minutes), 1), longest)
    return Terms(
        _ms(timeout), True if wish.auto_renew is None else wish.auto_renew, _ms(duration), _ms(warning)
    )


def require_timeout(policy: SessionPolicy, wish: Wish) -> None:
    """Raise ValidationFailed for a timeout that would not be granted as it is."""
    least, most = policy.min_minutes, policy.max_minutes
    if wish.timeout is not None and not least <= wish.timeout <= most:
        raise ValidationFailed(f"Field 'timeoutMinutes' must be from {least} to {most}")


def is_over(session: Session, now: int) -> bool:
    """Tell whether the session has ended."""
    return now >= session.expires_at


def is_near(session: Session, now: int) -> bool:
    """Tell whether the session is about to end, unless it is renewed."""
    return 0 < session.expires_at - now <= session.warning_ms


def require_live(session: Session, now: int) -> None:
    """Raise SessionExpired if the session has ended."""
    if is_over(session, now):
        raise SessionExpired(f"Session '{session.id}' has expired; create another one")


def counted(session: Session) -> Session:
    """Return the session with its end, and with when that is to be announced, as the rest of it says."""
    expires_at = min(session.base_at + session.timeout_ms, session.created_at + session.duration_ms)
    if expires_at == session.expires_at == session.due_at:
        return session  # it was told that this end is near
    # A warning that came with each renewal would warn of nothing.
    notice_ms = min(session.warning_ms, session.timeout_ms // 2)
    return session._replace(expires_at=expires_at, due_at=expires_at - notice_ms)


def renewed(session: Session, now: int) -> Session:
    """Return the session renewed."""
    return counted(session._replace(active_at=now, beat_at=None, base_at=now, renewals=session.renewals + 1))


def renewed_by_wish(session: Session, now: int) -> Session:
    """Return the session renewed, also where it does not renew itself.

    Raises RenewalFailed if it has lasted as long as it may, SessionExpired if it has ended otherwise.
    """
    if is_over(session, now) and session.expires_at == session.created_at + session.duration_ms:
        raise RenewalFailed(f"Session '{session.id}' has reached its maximum duration; create another one")
    require_live(session, now)
    return renewed(session, now)


def active(session: Session, now: int) -> Session:
    """Return the session after a message: renewed, if it renews itself. Raises SessionExpired."""
    require_live(session, now)
    return renewed(session, now) if session.auto_renew else session._replace(active_at=now)


def beaten(session: Session, now: int) -> Session:
    """Return the session after a heartbeat, which counts for those that are not written, too.

    Raises SessionExpired.
    """
    require_live(session, now)
    if not session.auto_renew:
        return session._replace(active_at=now, beat_at=now)
    return counted(renewed(session, now)._replace(beat_at=now, base_at=now + BEAT_MS))


def needs_beat(session: Session, now: int) -> bool:
    """Tell whether a heartbeat is to be written."""
    return session.beat_at is None or now - session.beat_at >= BEAT_MS


def changed(session: Session, policy: SessionPolicy, wish: Wish, now: int) -> Session:
    """Return the session with other terms, where the wish has any.

    Raises ValidationFailed for a timeout that is not allowed, or that would have passed already.
    """
    require_timeout(policy, wish)
    terms = grant(policy, wish.over(wish_of_session(session)))
    begins_to_renew = terms.auto_renew and not session.auto_renew
    base_at = max(session.base_at, session.active_at) if begins_to_renew else session.base_at
    granted = counted(session._replace(**terms._asdict(), base_at=base_at))
    if is_over(granted, now):
        raise ValidationFailed("The session would have expired already; renew it first, or set longer times")
    return granted


def _fields(wish: Wish) -> tuple[Any, ...]:
    return wish.timeout, wish.auto_renew, wish.duration, wish.warning


def _or(wished: float | None, default: float) -> float:
    return default if wished is None else wished


def _in_minutes(ms: int) -> float:
    whole, rest = divmod(ms, MINUTE_MS)
    return ms / MINUTE_MS if rest else whole


def _ms(in_minutes: float) -> int:
    return round(in_minutes * MINUTE_MS)
