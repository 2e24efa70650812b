"""What is told of sessions that nobody touches: once, and in time."""

from typing import Any

from rooms import session_notices, sessions, timeouts
from rooms.rows import Session
from rooms.sessions import SessionDraft
from rooms.timeouts import Wish
from tests.unit.staging import ANN, BOT, Stage

MINUTE = 60.0


async def begin(stage: Stage, **wish: Any) -> Session:
    """Begin a session of ann with the bot."""
    return await sessions.create(stage.world.ctx, SessionDraft(ANN, BOT.id, ANN.id, wish=Wish(**wish)))


async def told(stage: Stage) -> list[tuple[str, str]]:
    """Return what is told now, and of which sessions."""
    return [(kind, session.id) for kind, session in await session_notices.take_due(stage.world.ctx)]


async def test_the_end_is_told_before_it_comes_and_when_it_has(stage: Stage) -> None:
    """Once each, and nothing else."""
    session = await begin(stage, timeout=30, warning=5)
    stage.clock.now += 25 * MINUTE - 0.001
    assert await told(stage) == []
    stage.clock.now += 0.001
    assert await told(stage) == [("session_expiring", session.id)]
    stage.clock.now += 5 * MINUTE - 0.001
    assert await told(stage) == []
    stage.clock.now += 0.001
    assert await told(stage) == [("session_expired", session.id)]
    stage.clock.now += 24 * 60 * MINUTE
    assert await told(stage) == []


async def test_a_session_that_was_told_of_is_near_its_end_still(stage: Stage) -> None:
    """That somebody was warned changes nothing of what others are answered."""
    session = await begin(stage, timeout=30, warning=5, auto_renew=False)
    stage.clock.now += 26 * MINUTE
    assert await told(stage) == [("session_expiring", session.id)]
    for found in (
        await sessions.require(stage.world.ctx, ANN, session.id),
        await sessions.beat(stage.world.ctx, ANN, session.id),
    ):
        assert timeouts.is_near(found, stage.world.ctx.now())


async def test_a_renewed_session_is_told_of_anew(stage: Stage) -> None:
    """What was told before it was renewed counts no longer."""
    session = await begin(stage, timeout=30, warning=5)
    stage.clock.now += 26 * MINUTE
    assert await told(stage) == [("session_expiring", session.id)]
    await sessions.renew(stage.world.ctx, ANN, session.id)
    stage.clock.now += 20 * MINUTE
    assert await told(stage) == []
    stage.clock.now += 6 * MINUTE
    assert await told(stage) == [("session_expiring", session.id)]


async def test_an_end_that_no_renewal_moves_is_told_once(stage: Stage) -> None:
    """A session that lasts no longer for being used is told of as any other."""
    session = await begin(stage, timeout=30, warning=5, duration=30)
    stage.clock.now += 26 * MINUTE
    assert await told(stage) == [("session_expiring", session.id)]
    await sessions.beat(stage.world.ctx, ANN, session.id)
    await sessions.renew(stage.world.ctx, ANN, session.id)
    stage.clock.now += MINUTE
    assert await told(stage) == []
    stage.clock.now += 3 * MINUTE
    assert await told(stage) == [("session_expired", session.id)]


async def test_a_session_whose_end_came_while_nobody_looked_is_told_once(stage: Stage) -> None:
    """That it is about to end is told no more."""
    session = await begin(stage)
    stage.clock.now += 24 * 60 * MINUTE
    assert await told(stage) == [("session_expired", session.id)]


async def test_a_warning_that_is_as_long_as_the_timeout_comes_at_half_of_it(stage: Stage) -> None:
    """Told with every renewal it would mean nothing."""
    session = await begin(stage, timeout=6, warning=10)
    assert await told(stage) == []
    stage.clock.now += 3 * MINUTE
    assert await told(stage) == [("session_expiring", session.id)]


async def test_looking_writes_nothing_while_nothing_is_due(stage: Stage) -> None:
    """A quiet server stays quiet; a deleted session is told of no more."""
    session = await begin(stage)
    commits = stage.world.database.commits
    assert await told(stage) == []
    assert stage.world.database.commits == commits
    await sessions.delete(stage.world.ctx, ANN, session.id)
    stage.clock.now += 60 * MINUTE
    assert await told(stage) == []


async def test_many_ends_are_told_in_turn(stage: Stage, monkeypatch: Any) -> None:
    """What is due is taken piece by piece, the longest due first, and each session once."""
    monkeypatch.setattr(session_notices, "ANNOUNCED_AT_ONCE", 2)
    begun = [await begin(stage, timeout=minutes) for minutes in (7, 6, 5)]
    stage.clock.now += 10 * MINUTE
    pieces = [await told(stage) for _ in range(3)]
    assert [len(piece) for piece in pieces] == [2, 1, 0]
    assert [session_id for piece in pieces for _, session_id in piece] == [one.id for one in reversed(begun)]
