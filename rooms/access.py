"""Who may see and do what; every door asks here, and nowhere else.

A channel that a principal may not see answers as one that does not exist.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rooms import store
from rooms.errors import (
    NotFound,
    PermissionDenied,
    agent_not_found,
    channel_not_found,
    job_not_found,
    session_not_found,
)
from rooms.principals import Kind, Principal, Scope
from rooms.rows import Approval, Interval, Job, Run, Session
from rooms.tables import Channel, Participant


class Role(enum.StrEnum):
    """What a participant may do in a channel."""

    OWNER = "owner"
    MODERATOR = "moderator"
    MEMBER = "member"
    OBSERVER = "observer"


EVERYTHING = [Interval(0, None)]

_MANAGING = frozenset({Role.OWNER, Role.MODERATOR})


@dataclass(frozen=True, slots=True)
class Standing:
    """What a principal is in a channel: every interval of its membership, the oldest first."""

    principal: Principal
    channel: Channel
    memberships: Sequence[Participant]

    @property
    def role(self) -> Role | None:
        """The role that the principal has now, or None."""
        return next((Role(row.role) for row in self.memberships if row.left_seq is None), None)


def require_standing(connection: Connection, principal: Principal, channel_id: str) -> Standing:
    """Return the principal's standing in a channel that it may see; raise NotFound otherwise."""
    standing = find_standings(connection, principal, [channel_id]).get(channel_id)
    if standing is None:
        raise channel_not_found(channel_id)
    return standing


def find_standings(
    connection: Connection, principal: Principal, channel_ids: Collection[str]
) -> dict[str, Standing]:
    """Return the principal's standings in those of the channels that it may see, by channel."""
    channels = store.channels.find(connection, channel_ids)
    memberships: dict[str, list[Participant]] = {channel_id: [] for channel_id in channels}
    for row in store.participants.list_memberships(connection, channels.keys(), principal.id):
        memberships[row.channel_id].append(row)
    found = [Standing(principal, channel, memberships[channel.id]) for channel in channels.values()]
    return {
        standing.channel.id: standing
        for standing in found
        if _may_know_of(principal, standing.channel, standing.role)
    }


def require_sight(principal: Principal, channel: Channel, role: Role | None) -> None:
    """Raise NotFound unless the principal may know of the channel."""
    if not _may_know_of(principal, channel, role):
        raise channel_not_found(channel.id)


def _may_know_of(principal: Principal, channel: Channel, role: Role | None) -> bool:
    return role is not None or channel.joinable or principal.may(Scope.MESSAGES_READ)


def may_speak_as(principal: Principal, author_id: str) -> bool:
    """Tell whether the principal may speak as the author."""
    return principal.id == author_id or principal.may(Scope.MESSAGES_WRITE)


def resolve_stated(connection: Connection, claims: Sequence[tuple[Principal, str]]) -> list[str]:
    """Return the ids that are meant by those that principals state, in the same order.

    elizaOS's clients make up an id for their user before they know who it is. So an id that nobody is
    registered under means the user itself.
    """
    foreign = {stated for principal, stated in claims if _may_mean_itself(principal, stated)}
    unknown = foreign - store.entities.find(connection, foreign).keys() if foreign else set()
    return [
        principal.id if stated in unknown and _may_mean_itself(principal, stated) else stated
        for principal, stated in claims
    ]


def _may_mean_itself(principal: Principal, stated: str) -> bool:
    return principal.kind is Kind.USER and not may_speak_as(principal, stated)


def require_author(principal: Principal, author_id: str) -> None:
    """Raise PermissionDenied unless the principal may speak as the author."""
    if not may_speak_as(principal, author_id):
        raise PermissionDenied


def require_post(principal: Principal, author_role: Role | None) -> None:
    """Raise PermissionDenied unless somebody with this role, or none yet, may post through the principal."""
    if author_role is Role.OBSERVER or (author_role is None and not principal.may(Scope.MESSAGES_WRITE)):
        raise PermissionDenied


def require_edit(standing: Standing, author_id: str) -> None:
    """Raise PermissionDenied unless the principal may change what the author has said in the channel."""
    require_author(standing.principal, author_id)
    require_post(standing.principal, standing.role)


def require_delete(standing: Standing, author_id: str) -> None:
    """Raise PermissionDenied unless the principal may delete what the author has said in the channel."""
    if standing.role not in _MANAGING:
        require_edit(standing, author_id)


def may_read_as(principal: Principal, agent_id: str) -> bool:
    """Tell whether the principal may read what is told to the agent."""
    return principal.id == agent_id or principal.may(Scope.MESSAGES_READ)


def require_cancel(connection: Connection, principal: Principal, run: Run) -> None:
    """Raise PermissionDenied unless the principal has asked, is asked, or manages the channel."""
    if principal.id not in (run.user_id, run.agent_id):
        require_management(require_standing(connection, principal, run.channel_id))


def require_participant(standing: Standing) -> None:
    """Raise PermissionDenied unless the principal takes part in the channel."""
    if standing.role is None:
        raise PermissionDenied("Only who takes part in the channel may do this; join it first")


def require_asker(principal: Principal, *, by_agent: bool) -> None:
    """Raise PermissionDenied unless people may be asked to decide through the principal: by no user."""
    if not by_agent and principal.kind is not Kind.SERVICE:
        raise PermissionDenied


def may_decide(standing: Standing, approval: Approval) -> bool:
    """Tell whether the principal may decide what somebody asks people for in the channel.

    That is a user who may post there or, if somebody was named, whoever of those was; never who asks, and
    no service but as somebody.
    """
    principal = standing.principal
    if standing.role in (None, Role.OBSERVER) or principal.id == approval.requested_by:
        return False
    if approval.allowed:
        return principal.id in approval.allowed and principal.kind is not Kind.SERVICE
    return principal.kind is Kind.USER


def require_decision(standing: Standing, approval: Approval) -> None:
    """Raise PermissionDenied unless the principal may decide what somebody asks people for."""
    if not may_decide(standing, approval):
        raise PermissionDenied


def require_management(standing: Standing) -> None:
    """Raise PermissionDenied unless the principal may change who participates."""
    if standing.role not in _MANAGING and not standing.principal.may(Scope.CHANNELS_WRITE):
        raise PermissionDenied


def require_description(standing: Standing, *, is_dm: bool) -> None:
    """Raise PermissionDenied unless the principal may change what is said of the channel, as its name."""
    if not is_dm or standing.role in (None, Role.OBSERVER):
        require_management(standing)


def may_act_for(principal: Principal, agent_id: str) -> bool:
    """Tell whether the principal may see and change what is the agent's own."""
    return principal.id == agent_id or principal.may(Scope.AGENTS_WRITE)


def require_agent(principal: Principal, agent_id: str) -> None:
    """Raise NotFound unless the principal may see and change what is the agent's own."""
    if not may_act_for(principal, agent_id):
        raise agent_not_found(agent_id)


def require_session(principal: Principal, session_id: str, found: Session | None, *further: Scope) -> Session:
    """Return the session; raise NotFound unless it is there, and the principal's.

    Whoever may read all messages, and has the ``further`` scopes, may use everybody's.
    """
    scopes = (Scope.MESSAGES_READ, *further)
    if found is None or not (found.user_id == principal.id or all(map(principal.may, scopes))):
        raise session_not_found(session_id)
    return found


def require_job(principal: Principal, job_id: str, found: Job | None) -> Job:
    """Return the job; raise NotFound unless it is there, and the principal's, or to be read by it anyway."""
    if found is None or not (found.user_id == principal.id or principal.may(Scope.MESSAGES_READ)):
        raise job_not_found(job_id)
    return found


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raise PermissionDenied unless the credential carries the scope."""
    if not principal.may(scope):
        raise PermissionDenied(f"Only services with {scope} may do this")


def find_grantee(principal: Principal) -> str | None:
    """Return whose secrets and platforms are the principal's to see: an agent's own, or None for all.

    Raises PermissionDenied for users, and for services without ``secrets:write``.
    """
    if principal.may(Scope.SECRETS_WRITE):
        return None
    if principal.kind is not Kind.AGENT:
        raise PermissionDenied
    return principal.id


def visible(standing: Standing) -> list[Interval]:
    """Return the stretches of the log in which the principal may read the channel's events.

    Members read what was said while they were members, or everything up to their leaving where the
    channel shows earlier history. A joinable channel with earlier history can be read by anybody.
    """
    channel = standing.channel
    if standing.principal.may(Scope.MESSAGES_READ):
        return EVERYTHING
    if channel.earlier_history and (standing.role is not None or channel.joinable):
        return EVERYTHING
    return [Interval(row.joined_seq, row.left_seq) for row in standing.memberships]


def may_be_told(channel: Channel, kind: str, *, is_present: bool) -> bool:
    """Tell whether somebody of this kind may be told, unasked, what is said in the channel.

    That is who takes part, or anybody where anybody may read; services read by their rights alone.
    """
    if kind == Kind.SERVICE:
        return False
    return is_present or (channel.joinable and channel.earlier_history)


def may_read(standing: Standing, seq: int) -> bool:
    """Tell whether the principal may read the channel's event of that seq."""
    return covers(visible(standing), seq)


def covers(stretches: Sequence[Interval], seq: int) -> bool:
    """Tell whether one of the stretches of a log has the event of that seq."""
    return any(first <= seq and (end is None or seq < end) for first, end in stretches)


def require_readable(
    connection: Connection, principal: Principal, channel_id: str, seq: int, missing: NotFound
) -> Standing:
    """Return the principal's standing in the channel; raise ``missing`` unless it may read the event."""
    try:
        standing = require_standing(connection, principal, channel_id)
    except NotFound:
        raise missing from None
    if not may_read(standing, seq):
        raise missing
    return standing
