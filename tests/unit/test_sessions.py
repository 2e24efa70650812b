"""When sessions end: what is granted, what renews them, and what nobody may do to them."""

from typing import Any

import pytest

from rooms import agents, participants, retention, sessions, store, timeouts
from rooms.errors import (
    AgentNotFound,
    ParleyError,
    PermissionDenied,
    RenewalFailed,
    SessionExpired,
    SessionNotFound,
    ValidationFailed,
)
from rooms.policy import MINUTE_MS, SessionPolicy
from rooms.principals import Principal
from rooms.retention import Retention
from rooms.rows import Session
from rooms.sessions import Asked, SessionDraft
from rooms.timeouts import Wish
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, BOT, Stage

MINUTE = 60.0
POLICY = SessionPolicy()


async def begin(stage: Stage, **wish: Any) -> Session:
    """Begin a session of ann with the bot."""
    draft = SessionDraft(ANN, BOT.id, ANN.id, {"topic": "tea"}, Wish(**wish))
    return await sessions.create(stage.world.ctx, draft)


async def now(stage: Stage, session: Session) -> Session:
    """Return the session as it stands; raise SessionExpired if it has ended."""
    return await sessions.require(stage.world.ctx, ANN, session.id)


async def beat(stage: Stage, session: Session) -> Session:
    """Send a heartbeat."""
    return await sessions.beat(stage.world.ctx, ANN, session.id)


async def go_on(stage: Stage, session: Session, who: Principal = ANN) -> Session:
    """Go on with the session, as whoever says something does."""
    outcome = await sessions.begin_to_go_on(stage.world.ctx, who, session.id)
    if isinstance(outcome, ParleyError):
        raise outcome
    return outcome


def lasts(session: Session) -> float:
    """Return how many minutes lie between a session's last activity and its end."""
    return (session.expires_at - session.active_at) / MINUTE_MS


@pytest.mark.parametrize(
    ("wish", "granted"),
    [
        (Wish(), (30, True, 720, 5)),
        (Wish(timeout=1), (5, True, 720, 5)),
        (Wish(timeout=5.5), (5.5, True, 720, 5)),
        (Wish(timeout=1e300), (1_440, True, 1_440, 5)),
        (Wish(timeout=-1), (5, True, 720, 5)),
        (Wish(timeout=60, duration=30), (60, True, 60, 5)),
        (Wish(duration=1e300), (30, True, 2_880, 5)),
        (Wish(warning=0), (30, True, 720, 1)),
        (Wish(auto_renew=False), (30, False, 720, 5)),
    ],
)
def test_what_is_wished_for_is_granted_within_bounds(wish: Wish, granted: tuple[Any, ...]) -> None:
    """The timeout lies between the operator's least and most, the duration between it and twice the most."""
    terms = timeouts.grant(POLICY, wish)
    timeout, duration, warning = (
        ms / MINUTE_MS for ms in (terms.timeout_ms, terms.duration_ms, terms.warning_ms)
    )
    assert (timeout, terms.auto_renew, duration, warning) == granted


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (45, 45.0),
        (5.5, 5.5),
        ("45", 45.0),
        (" 45.5 ", 45.5),
        ("soon", None),
        ("", None),
        ("NaN", None),
        ("1_000", None),
        ("\u0663\u0660", None),
        (float("nan"), None),
        ("1e999", None),
        (10**400, None),
        (True, None),
        (None, None),
        ([45], None),
        ({}, None),
    ],
)
def test_minutes_are_numbers_or_texts_of_numbers(value: object, number: float | None) -> None:
    """Whatever else is no number of minutes, and means the default."""
    assert timeouts.minutes(value) == number


async def test_a_session_ends_when_its_timeout_has_passed(stage: Stage) -> None:
    """It lives until the last millisecond, and is expired from then on, for ever the same."""
    session = await begin(stage, timeout=10)
    stage.clock.now += 10 * MINUTE - 0.001
    assert (await now(stage, session)).id == session.id
    stage.clock.now += 0.001
    for wait in (0, 1, 10 * MINUTE, 29 * 24 * 60 * MINUTE):
        stage.clock.now += wait
        with pytest.raises(SessionExpired):
            await now(stage, session)


async def test_nothing_brings_an_expired_session_back(stage: Stage) -> None:
    """A heartbeat, a message, a renewal and other terms come too late; so does deleting it."""
    session, ctx = await begin(stage, timeout=10), stage.world.ctx
    stage.clock.now += 10 * MINUTE
    for attempt in (
        sessions.beat(ctx, ANN, session.id),
        go_on(stage, session),
        sessions.renew(ctx, ANN, session.id),
        sessions.change(ctx, ANN, session.id, Wish(timeout=60)),
        sessions.delete(ctx, ANN, session.id),
    ):
        with pytest.raises(SessionExpired):
            await attempt


async def test_activity_renews_a_session(stage: Stage) -> None:
    """A message and a heartbeat move the end, and each is counted."""
    session = await begin(stage, timeout=10)
    for count in range(1, 10, 2):
        stage.clock.now += 9 * MINUTE
        said = await go_on(stage, session)
        assert (lasts(said), said.renewals) == (10, count)
        stage.clock.now += 9 * MINUTE
        assert (await beat(stage, session)).renewals == count + 1
    assert stage.world.heard.events[-1].kind == "participant_joined"  # none of that is an event


async def test_heartbeats_are_written_once_in_ten_seconds(stage: Stage) -> None:
    """Those in between cost no commit, and each still keeps the session alive for the whole timeout."""
    session = await begin(stage, timeout=10)
    stage.clock.now += MINUTE
    first = await beat(stage, session)
    commits = stage.world.database.commits
    for _ in range(9):
        stage.clock.now += 1
        assert await beat(stage, session) == first
    assert stage.world.database.commits == commits
    stage.clock.now += 10 * MINUTE - 0.001
    assert (await now(stage, session)).renewals == 1
    stage.clock.now += MINUTE
    with pytest.raises(SessionExpired):
        await now(stage, session)


async def test_the_first_heartbeat_after_other_activity_is_written(stage: Stage) -> None:
    """A message, or a renewal, allows for no heartbeats after it."""
    session = await begin(stage, timeout=10)
    await beat(stage, session)
    await go_on(stage, session)
    stage.clock.now += 1
    assert (await beat(stage, session)).renewals == 3
    await sessions.renew(stage.world.ctx, ANN, session.id)
    stage.clock.now += 1
    assert (await beat(stage, session)).renewals == 5


async def test_heartbeats_of_many_sessions_share_a_commit(stage: Stage) -> None:
    """What comes at once is written together, and each gets its own outcome."""
    ctx = stage.world.ctx
    live = [await begin(stage) for _ in range(5)]
    touches = [sessions.Touch(ANN, session.id, timeouts.beaten) for session in [*live, live[0]]]
    touches.insert(3, sessions.Touch(BEN, live[0].id, timeouts.beaten))
    stage.clock.now += MINUTE
    outcomes = await ctx.journal.append(sessions._touch_all, touches, [()] * len(touches))
    assert [type(outcome) for outcome in outcomes] == [Session] * 3 + [SessionNotFound] + [Session] * 3
    assert [(await now(stage, session)).renewals for session in live] == [2, 1, 1, 1, 1]


async def test_a_session_that_does_not_renew_itself_ends_as_it_was_created(stage: Stage) -> None:
    """Messages and heartbeats are noted, and move nothing; only a renewal does, from now on."""
    session, ctx = await begin(stage, timeout=10, auto_renew=False), stage.world.ctx
    stage.clock.now += 4 * MINUTE
    said = await go_on(stage, session)
    heard = await beat(stage, session)
    assert {said.expires_at, heard.expires_at} == {session.expires_at}
    assert (heard.renewals, heard.active_at - session.active_at) == (0, 4 * MINUTE_MS)
    stage.clock.now += 4 * MINUTE
    renewed = await sessions.renew(ctx, ANN, session.id)
    assert (lasts(renewed), renewed.renewals) == (10, 1)
    stage.clock.now += 10 * MINUTE
    with pytest.raises(SessionExpired):
        await now(stage, session)


async def test_no_session_outlasts_its_duration(stage: Stage) -> None:
    """However lively it is, it ends then; renewing it says that this is why."""
    session, ctx = await begin(stage, timeout=10, duration=25), stage.world.ctx
    for _ in range(2):
        stage.clock.now += 9 * MINUTE
        latest = await beat(stage, session)
    assert latest.expires_at == session.created_at + 25 * MINUTE_MS
    stage.clock.now += 7 * MINUTE
    with pytest.raises(SessionExpired):
        await beat(stage, session)
    with pytest.raises(RenewalFailed):
        await sessions.renew(ctx, ANN, session.id)


async def test_other_terms_leave_what_is_not_named(stage: Stage) -> None:
    """A change merges with the session's own terms, not with anybody's defaults."""
    session, ctx = await begin(stage, timeout=45, duration=90, warning=7, auto_renew=False), stage.world.ctx
    changed = await sessions.change(ctx, ANN, session.id, Wish(warning=9))
    assert timeouts.described(changed) == {
        "timeoutMinutes": 45,
        "autoRenew": False,
        "maxDurationMinutes": 90,
        "warningThresholdMinutes": 9,
    }
    assert changed.expires_at == session.expires_at
    longer = await sessions.change(ctx, ANN, session.id, Wish(timeout=60))
    assert (lasts(longer), longer.auto_renew, longer.duration_ms) == (60, False, 90 * MINUTE_MS)
    assert await now(stage, session) == longer


@pytest.mark.parametrize("minutes", [4.9, 0, -5, 1_441, 1e300])
async def test_a_changed_timeout_must_be_within_bounds(stage: Stage, minutes: float) -> None:
    """What creating would put right is refused here, and nothing changes."""
    session = await begin(stage)
    with pytest.raises(ValidationFailed):
        await sessions.change(stage.world.ctx, ANN, session.id, Wish(minutes, auto_renew=False))
    assert await now(stage, session) == session


async def test_no_change_ends_a_session(stage: Stage) -> None:
    """A timeout that would have passed already is refused."""
    session = await begin(stage, timeout=30)
    stage.clock.now += 20 * MINUTE
    with pytest.raises(ValidationFailed):
        await sessions.change(stage.world.ctx, ANN, session.id, Wish(timeout=10))
    assert await now(stage, session) == session


async def test_a_session_that_begins_to_renew_itself_counts_what_has_happened(stage: Stage) -> None:
    """From then on its end follows from its last activity."""
    session, ctx = await begin(stage, timeout=10, auto_renew=False), stage.world.ctx
    stage.clock.now += 8 * MINUTE
    await go_on(stage, session)
    changed = await sessions.change(ctx, ANN, session.id, Wish(auto_renew=True))
    assert lasts(changed) == 10


@pytest.mark.parametrize(("minutes", "is_near"), [(0, False), (23, False), (23.5, True), (29.9, True)])
async def test_a_session_is_near_its_end_within_the_warning_time(
    stage: Stage, minutes: float, is_near: bool
) -> None:
    """That follows from the time alone, whatever was announced."""
    session = await begin(stage, timeout=30, warning=6.5)
    stage.clock.now += minutes * MINUTE
    assert timeouts.is_near(session, stage.world.ctx.now()) is is_near


async def test_nobody_touches_the_session_of_another(stage: Stage) -> None:
    """To others, and to its agent, it does not exist, ended or not; a service may do it all."""
    ctx, session = stage.world.ctx, await begin(stage, timeout=10)
    for _ in range(2):
        for who in (BEN, BOT):
            for attempt in (
                sessions.require(ctx, who, session.id),
                sessions.beat(ctx, who, session.id),
                go_on(stage, session, who),
                sessions.renew(ctx, who, session.id),
                sessions.change(ctx, who, session.id, Wish(timeout=60)),
                sessions.delete(ctx, who, session.id),
            ):
                with pytest.raises(SessionNotFound):
                    await attempt
            assert (await sessions.list_page(ctx, who, Asked(user_id=ANN.id))).sessions == []
        assert (await sessions.list_page(ctx, ANN, Asked())).total == 1
        stage.clock.now += 10 * MINUTE
    other = await begin(stage)
    assert (await sessions.renew(ctx, SERVICE, other.id)).renewals == 1


async def test_a_session_is_of_whoever_may_speak_as_its_user_with_an_agent(stage: Stage) -> None:
    """Nobody begins one in another's name, or with somebody who is no agent; a refusal leaves nothing."""
    ctx = stage.world.ctx
    wrong: list[tuple[SessionDraft, type[ParleyError]]] = [
        (SessionDraft(BEN, BOT.id, ANN.id), PermissionDenied),
        (SessionDraft(ANN, BEN.id, ANN.id), AgentNotFound),
        (SessionDraft(ANN, "nobody", ANN.id), AgentNotFound),
        (SessionDraft(SERVICE, BOT.id, BOT.id), ValidationFailed),
    ]
    for draft, error in wrong:
        with pytest.raises(error):
            await sessions.create(ctx, draft)
    assert stage.world.heard.events == []
    assert await sessions.count(ctx) == (0, 0)
    for_ann = await sessions.create(ctx, SessionDraft(SERVICE, BOT.id, ANN.id))
    assert (await sessions.require(ctx, ANN, for_ann.id)).user_id == ANN.id


async def test_each_session_has_a_channel_of_its_own(stage: Stage) -> None:
    """It is a dm of the user and the agent, however many they have, and says what it is for."""
    ctx, first, second = stage.world.ctx, await begin(stage), await begin(stage)
    found = await ctx.database.read(
        lambda connection: store.channels.find(connection, [first.channel_id, second.channel_id])
    )
    assert len(found) == 2
    channel = found[first.channel_id]
    assert (channel.name, channel.type) == (f"session-{first.id}", "DM")
    assert channel.details == {
        "sessionId": first.id,
        "agentId": BOT.id,
        "userId": ANN.id,
        "timeoutConfig": timeouts.described(first),
        "topic": "tea",
    }
    present = await participants.list_for(ctx, ANN, first.channel_id)
    assert [(one.entity_id, one.role) for one in present] == [(ANN.id, "owner"), (BOT.id, "member")]


async def test_a_deleted_session_is_unknown_and_its_conversation_stays(stage: Stage) -> None:
    """Its channel can be read as before."""
    session, ctx = await begin(stage), stage.world.ctx
    await sessions.delete(ctx, ANN, session.id)
    with pytest.raises(SessionNotFound):
        await now(stage, session)
    assert len(await participants.list_for(ctx, ANN, session.channel_id)) == 2


async def test_old_conversations_are_found_again(stage: Stage) -> None:
    """Sessions are listed by user and agent, the newest first, page by page, also those that have ended."""
    ctx = stage.world.ctx
    old = [await begin(stage, timeout=5) for _ in range(3)]
    await sessions.create(ctx, SessionDraft(BEN, BOT.id, BEN.id))
    stage.clock.now += 6 * MINUTE
    new = await begin(stage)
    found = await sessions.list_page(ctx, SERVICE, Asked(user_id=ANN.id, agent_id=BOT.id, limit=2))
    assert ([one.id for one in found.sessions], found.total, found.live) == ([new.id, old[2].id], 4, 1)
    rest = await sessions.list_page(ctx, ANN, Asked(before=old[2].id))
    assert [one.id for one in rest.sessions] == [old[1].id, old[0].id]
    ended = await sessions.list_page(ctx, ANN, Asked(is_live=False))
    assert ([one.id for one in ended.sessions], ended.live) == ([one.id for one in reversed(old)], 0)
    live = await sessions.list_page(ctx, ANN, Asked(is_live=True))
    assert ([one.id for one in live.sessions], live.total, live.live) == ([new.id], 1, 1)
    assert (await sessions.list_page(ctx, SERVICE, Asked(agent_id="nobody"))).total == 0


async def test_what_an_agent_says_of_its_sessions_holds_unless_the_session_says_otherwise(
    stage: Stage,
) -> None:
    """The session's own wish comes first, then the agent's settings as they are, then the operator's."""
    settings = {"SESSION_TIMEOUT_MINUTES": "45", "SESSION_AUTO_RENEW": "false"}
    row = {"entity_id": BOT.id, "bio": "", "is_active": True, "capabilities": []}
    row |= {"settings": settings | {"SESSION_WARNING_THRESHOLD_MINUTES": "?"}, "updated_at": 0}
    await stage.world.database.write(lambda connection: connection.execute(store.agents.table.insert(), row))
    session = await begin(stage)
    assert timeouts.described(session) == {
        "timeoutMinutes": 45,
        "autoRenew": False,
        "maxDurationMinutes": 720,
        "warningThresholdMinutes": 5,
    }
    assert timeouts.described(await begin(stage, timeout=20, auto_renew=True))["timeoutMinutes"] == 20
    change = agents.Change(SERVICE, BOT.id, settings={"SESSION_TIMEOUT_MINUTES": 50})
    await agents.change(stage.world.ctx, change)
    assert timeouts.described(await begin(stage))["timeoutMinutes"] == 50
    assert timeouts.described(await now(stage, session)) == timeouts.described(session)


async def test_sessions_are_counted(stage: Stage) -> None:
    """Those that live, and those of them that are near their end."""
    ctx = stage.world.ctx
    for timeout in (5, 12, 60):
        await begin(stage, timeout=timeout)
    assert await sessions.count(ctx) == (3, 1)
    stage.clock.now += 8 * MINUTE
    assert await sessions.count(ctx) == (2, 1)


async def test_sessions_are_forgotten_a_month_after_their_end(stage: Stage) -> None:
    """Then they are as unknown as if they had never been; younger ones stay."""
    ctx, old = stage.world.ctx, await begin(stage, timeout=5)
    stage.clock.now += 24 * 60 * MINUTE
    young = await begin(stage, timeout=5)
    stage.clock.now += sessions.KEPT_DAYS * 24 * 60 * MINUTE - 60 * MINUTE
    async for _ in retention.forget(ctx, Retention(days=0, events=0)):
        pass
    with pytest.raises(SessionNotFound):
        await now(stage, old)
    with pytest.raises(SessionExpired):
        await now(stage, young)
