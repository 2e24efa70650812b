"""What platforms send: proved to be theirs before it is read, and taken in once.

What is said on a platform is a message like any other, in a channel of its own; its run's reply is waited
for (:mod:`rooms.replies`) as of the commit that stores it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from rooms import external, messages, platforms, replies, uses
from rooms.context import Context
from rooms.errors import (
    AuthenticationFailed,
    Conflict,
    NotFound,
    ParleyError,
    PermissionDenied,
    Unavailable,
    ValidationFailed,
)
from rooms.external import ExternalDraft, Received
from rooms.platform_kind import Answer, PlatformKind, Said
from rooms.platform_tables import Platform
from rooms.principals import Kind, Principal, Scope
from rooms.rules import DEFAULT_SERVER_ID, Content, Label
from rooms.transaction import Transaction
from rooms.uses import Noted, Opening, Outcome, Purpose, Use

MAX_AGE_MS = 24 * 60 * 60 * 1000  # as long as it is known what has come before

_CONTENT = TypeAdapter[str](Content)
_LABEL = TypeAdapter[str](Label)
_FOREVER = (ValidationFailed, Conflict, NotFound, PermissionDenied)  # what does not pass with time


@dataclass(frozen=True, slots=True)
class Door:
    """A platform's door: its platform, and what came of opening the secret that proves who knocks."""

    platform: Platform
    opening: Opening = field(repr=False)

    @property
    def kind(self) -> PlatformKind:
        """What kind of platform it is for."""
        return platforms.KINDS[self.platform.kind]

    @property
    def use(self) -> Use:
        """What the secret is used for here."""
        return _proof(self.platform)

    def is_timely(self, headers: Mapping[str, str], now: int) -> bool:
        """Tell whether it is worth reading on; ``now`` is in epoch seconds."""
        return self.kind.is_timely(headers, now)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Something that was said, on its way in."""

    platform: Platform
    said: Said
    draft: ExternalDraft


async def find_door(ctx: Context, platform_id: str) -> Door | None:
    """Return the platform's door, or None if there is no such platform."""

    def read(connection: Connection) -> Door | None:
        platform = platforms.find(connection, platform_id)
        if platform is None:
            return None
        return Door(platform, uses.peek(connection, ctx.sealer, _proof(platform)))

    return await ctx.database.read(read)


async def receive(ctx: Context, door: Door, headers: Mapping[str, str], body: bytes) -> Answer:
    """Take in what a request brings, and return what is answered; header names are in lower case.

    Raises AuthenticationFailed if it is not the platform's, Unavailable if that cannot be told,
    ValidationFailed if it is not of the platform's form, and what the platform is to be told of.
    """
    secret = await _require_secret(ctx, door)
    if not door.kind.is_genuine(headers, body, secret):
        await uses.tell(ctx, Noted(door.use, Outcome.FORGED))
        raise AuthenticationFailed("The request is not signed as the platform would have signed it")
    await uses.tell(ctx, Noted(door.use, Outcome.OPENED))
    heard = door.kind.hear(body, headers, int(ctx.clock()))
    answers = [await _take_in(ctx, door, said) for said in heard.said]
    return answers[-1] if answers else heard.answer


async def answer_challenge(ctx: Context, door: Door, token: str) -> Answer:
    """Prove to the platform who answers here; raise NotFound if it asks for nothing like that."""
    answer = door.kind.challenge(token, await _require_secret(ctx, door))
    if answer is None:
        raise NotFound(
            "There is no answer to this; only platforms of the kind twitter ask with a challenge",
            message="Nothing here",
        )
    await uses.tell(ctx, Noted(door.use, Outcome.OPENED))
    return answer


def _proof(platform: Platform) -> Use:
    name = platform.secrets[platforms.KINDS[platform.kind].proof]
    return Use(name, platform.agent_id, Purpose.INCOMING, platform.id)


async def _require_secret(ctx: Context, door: Door) -> bytes:
    if door.opening.value is None:
        await uses.tell(ctx, Noted(door.use, door.opening.outcome))
        raise Unavailable("The secret that proves who asks cannot be used at the moment")
    return door.opening.value


async def _take_in(ctx: Context, door: Door, said: Said) -> Answer:
    """Store what was said, and return what is answered to it."""
    if said.said_at is not None and ctx.now() - said.said_at > MAX_AGE_MS:
        return {}
    try:
        arrival = _Arrival(door.platform, said, _draft(ctx, door, said))
        received = await ctx.journal.append_one(_take_all, arrival, DEFAULT_SERVER_ID)
    except _FOREVER as error:
        answer = door.kind.refuse(said, error.details)
        if answer is None:
            raise
        return answer
    return door.kind.accept(received)


def _draft(ctx: Context, door: Door, said: Said) -> ExternalDraft:
    platform = door.platform
    try:
        content = _CONTENT.validate_python(said.content)
    except ValidationError as error:
        why = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise ValidationFailed(f"Field 'content' {why}") from None
    # Whoever says there what can be said there cannot know what Parley would call too long.
    messages.check_content(ctx, content, Kind.USER, door.kind.longest)
    return ExternalDraft(
        # It has the rights that whoever connected it had to have.
        principal=Principal(platform.id, Kind.SERVICE, frozenset({Scope.MESSAGES_WRITE})),
        # Users of two platforms of one's own may have the same ids.
        platform=f"webhook:{platform.id}" if platform.kind == "webhook" else platform.kind,
        message_id=said.message_id,
        channel_id=said.channel_id,
        user_id=said.user_id,
        content=content,
        attachments=said.attachments,
        metadata=said.metadata,
        display_name=_name(said.display_name),
        agent_id=platform.agent_id,
    )


def _name(stated: str | None) -> str | None:
    """Return what the author is called there, if somebody can be called that here."""
    try:
        return None if stated is None else _LABEL.validate_python(stated)
    except ValidationError:
        return None


def _take_all(transaction: Transaction, arrivals: Sequence[_Arrival]) -> list[Received | ParleyError]:
    outcomes = external.receive_all(transaction, [arrival.draft for arrival in arrivals])
    for arrival, outcome in zip(arrivals, outcomes, strict=True):
        if not isinstance(outcome, ParleyError) and not outcome.is_repeat and outcome.run is not None:
            replies.expect(transaction, outcome.run, arrival.platform.id, arrival.said.address)
    return outcomes
