"""Approvals over real databases: asked for by agents, decided by people, and closed exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, text

from rooms import approvals, completion, decisions, edits, history, messages, participants, store
from rooms.access import Role
from rooms.approvals import Request
from rooms.completion import Sign
from rooms.decisions import Decision
from rooms.edits import Edit, Target
from rooms.errors import Conflict, NotFound, ParleyError, PermissionDenied, ValidationFailed
from rooms.ids import new_id
from rooms.participants import Joining
from rooms.policy import Policy
from rooms.principals import ALL_SCOPES, Kind, Principal
from rooms.rows import Approval, Message, Run, Window
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, BOT, OTHER_BOT, Stage

EVE = Principal("eve", Kind.USER)  # takes part in nothing
MINUTE_MS = 60_000
LEASE_MS = Policy().lease_ms
OPTIONS = ["yes", "no", "later"]
SECRET = "a word that nobody may find"


def request(**fields: Any) -> Request:
    """Return a request for a minute."""
    return Request(**{"options": OPTIONS, "lasts_ms": MINUTE_MS, **fields})


async def ask(stage: Stage, who: Principal = BOT, **fields: Any) -> Approval:
    """Let the agent ask people for something, and return that as its message has it."""
    draft = {name: fields.pop(name) for name in ("parent_id", "key", "id") if name in fields}
    asked = await stage.say("may I?", who, approval=request(**fields), **draft)
    assert asked.approval is not None
    return asked.approval


async def under_way(stage: Stage) -> Run:
    """Return a run that the agent has taken."""
    return (await stage.claim(await stage.opened())).run


async def resolve(stage: Stage, asked: Approval, option: str = "yes", who: Principal = ANN) -> Approval:
    """Choose an option."""
    return await decisions.resolve(stage.world.ctx, Decision(who, asked.id, option))


async def pass_time(stage: Stage, seconds: float) -> None:
    """Let time pass, and have the server look after approvals, and then after runs."""
    stage.clock.now += seconds
    await decisions.expire(stage.world.ctx, await decisions.list_expired(stage.world.ctx))
    await stage.pass_time(0)


async def now(stage: Stage, asked: Approval) -> Approval:
    """Return the approval as it stands."""
    return await approvals.require(stage.world.ctx, ANN, asked.id)


async def remove(stage: Stage, who: Principal) -> None:
    """Remove somebody from the channel."""
    await participants.remove(stage.world.ctx, SERVICE, stage.world.channel_id, who.id)


async def observe(stage: Stage, who: Principal) -> None:
    """Let somebody take part as an observer."""
    joining = Joining(SERVICE, stage.world.channel_id, who.id, Role.OBSERVER)
    await participants.add(stage.world.ctx, joining)


def states(stage: Stage, asked: Approval) -> list[str]:
    """Return the states of the approval in the order in which they were told."""
    events = [event for event in stage.world.heard.events if event.kind == "approval"]
    return [event.payload["approval"]["state"] for event in events if event.payload["message_id"] == asked.id]


async def logged(stage: Stage, message_id: str) -> list[dict[str, Any]]:
    """Return what somebody who comes back now is told of the message, event by event."""

    def read(connection: Connection) -> list[dict[str, Any]]:
        (message,) = store.messages.find(connection, [message_id]).values()
        return [orjson.loads(payload) for _, payload in store.log.list_payloads(connection, message)]

    return await stage.world.database.inner.read(read)


async def test_a_question_is_stored_with_its_message_and_told(stage: Stage) -> None:
    """Its event comes behind the message's, both say the same, and so does the history."""
    asked = await ask(stage, allowed=[ANN.id])
    assert (asked.state, asked.options, asked.requested_by, asked.run_id) == (
        "requested",
        OPTIONS,
        "bot",
        None,
    )
    told = {
        "id": asked.id,
        "options": OPTIONS,
        "state": "requested",
        "choice": None,
        "resolved_by": None,
        "expires_at": int(stage.clock.now * 1000) + MINUTE_MS,
        "allowed": ["ann"],
    }
    message, event = stage.world.heard.events[-2:]
    assert (message.kind, message.payload["approval"]) == ("message", told)
    assert (event.kind, event.payload) == (
        "approval",
        {
            "seq": message.seq + 1,
            "server_id": asked.server_id,
            "channel_id": asked.channel_id,
            "message_id": asked.id,
            "run_id": None,
            "approval": told,
        },
    )
    page = await history.of_channel(stage.world.ctx, ANN, asked.channel_id, Window(1))
    assert [found.approval for found in page.messages] == [asked] == [await now(stage, asked)]


async def test_a_decision_is_told_wherever_the_question_is(stage: Stage) -> None:
    """Whoever comes back finds no place in which it is open still; the message keeps what it says."""
    asked = await ask(stage)
    await edits.edit(stage.world.ctx, Edit(Target(BOT, asked.id), "may I, please?"))
    resolved = await resolve(stage, asked, "later")
    assert (resolved.state, resolved.choice, resolved.resolved_by) == ("resolved", "later", "ann")
    assert states(stage, asked) == ["requested", "resolved"]
    told = await logged(stage, asked.id)
    assert [payload["approval"]["state"] for payload in told] == ["resolved"] * 4
    assert [payload["approval"]["choice"] for payload in told] == ["later"] * 4
    assert [payload.get("text") for payload in told] == ["may I, please?", None, "may I, please?", None]
    assert (await edits.require(stage.world.ctx, Target(ANN, asked.id))).approval == resolved


async def test_a_question_ends_no_run(stage: Stage) -> None:
    """Whether it answers the message or none, is asked in a run or before one; the reply ends it."""
    run = await stage.opened()
    for fields in ({}, {"parent_id": run.message_id}):
        assert (await ask(stage, **fields)).run_id is None
    assert (await stage.now(run)).state == "queued"
    await stage.claim(run)
    for fields in ({}, {"parent_id": run.message_id}):
        assert (await ask(stage, **fields)).run_id == run.id
    assert (await stage.now(run)).state == "working"
    await stage.say("done", BOT, parent_id=run.message_id)
    assert stage.ends(run) == [("completed", None)]


async def test_a_question_has_the_hops_of_its_run(stage: Stage) -> None:
    """It is as far from a person as the reply will be."""
    run = await under_way(stage)
    elsewhere = await stage.say("by the way", BOT, parent_id=(await stage.say("earlier", BOT)).id)
    asked = await ask(stage, run_id=run.id, parent_id=elsewhere.id)
    assert (await edits.require(stage.world.ctx, Target(ANN, asked.id))).hops == run.hops == 1


async def test_the_run_is_the_named_one_or_the_one_of_the_thread_or_the_newest(stage: Stage) -> None:
    """Where the agent works on several at once."""
    first, second, third = [await under_way(stage) for _ in range(3)]
    await stage.opened()
    assert (await ask(stage)).run_id == third.id
    assert (await ask(stage, parent_id=second.message_id)).run_id == second.id
    assert (await ask(stage, parent_id=second.message_id, run_id=first.id)).run_id == first.id


async def test_only_an_open_run_of_its_own_can_wait(stage: Stage) -> None:
    """One that is over or was not taken, another's, and one of nowhere are refused; nothing is stored."""
    over, queued = await under_way(stage), await stage.opened()
    await stage.complete(over, "done")
    before = await stage.world.stored()
    for run in (over, queued):
        with pytest.raises(Conflict):
            await ask(stage, run_id=run.id)
    for run_id in (new_id(), queued.id):
        with pytest.raises(ValidationFailed):
            await ask(stage, SERVICE, run_id=run_id)
    assert await stage.world.stored() == before


async def test_a_run_waits_for_people_and_goes_on_after_that(stage: Stage) -> None:
    """It is not taken for dead meanwhile, nor cut short by a sign, and then has a lease of its own again."""
    run = await under_way(stage)
    asked = await ask(stage, lasts_ms=60 * MINUTE_MS)
    assert (await stage.now(run)).due_at == asked.expires_at + LEASE_MS
    await pass_time(stage, 3_000)
    await completion.progress(stage.world.ctx, Sign(BOT, run.id))
    await pass_time(stage, 500)
    assert (await stage.now(run)).state == "working"
    await resolve(stage, asked)
    assert (await stage.now(run)).due_at == int(stage.clock.now * 1000) + LEASE_MS
    await pass_time(stage, 31)
    assert stage.ends(run) == [("timed_out", "lease")]


async def test_time_that_is_waited_does_not_count_as_the_runs(stage: Stage) -> None:
    """After an hour of waiting it has the ten minutes that it had before, and no more."""
    run = await under_way(stage)
    asked = await ask(stage, lasts_ms=120 * MINUTE_MS)
    await pass_time(stage, 3_600)
    await resolve(stage, asked)
    for _ in range(23):
        await pass_time(stage, 25)
        await completion.progress(stage.world.ctx, Sign(BOT, run.id))
    await pass_time(stage, 25.1)
    assert stage.ends(run) == [("timed_out", "too_long")]


async def test_a_run_waits_for_everything_that_it_asks_for(stage: Stage) -> None:
    """Until the last question is closed, whichever that is."""
    run = await under_way(stage)
    long = await ask(stage, lasts_ms=20 * MINUTE_MS)
    short = await ask(stage, lasts_ms=10 * MINUTE_MS)
    assert (await stage.now(run)).due_at == long.expires_at + LEASE_MS
    await resolve(stage, long)
    assert (await stage.now(run)).due_at == short.expires_at + LEASE_MS
    await pass_time(stage, 599)
    await resolve(stage, short)
    assert (await stage.now(run)).due_at == int(stage.clock.now * 1000) + LEASE_MS


async def test_a_question_that_nobody_answers_expires(stage: Stage) -> None:
    """That is no choice; the run goes on until its agent ends it, also if the server was away meanwhile."""
    run = await under_way(stage)
    asked = await ask(stage)
    await pass_time(stage, 59.9)
    assert (await now(stage, asked)).state == "requested"
    await pass_time(stage, 1_000)
    expired = await now(stage, asked)
    assert (expired.state, expired.choice, expired.resolved_by) == ("expired", None, None)
    assert states(stage, asked) == ["requested", "expired"]
    assert (await stage.now(run)).state == "working"
    with pytest.raises(Conflict, match="expired"):
        await resolve(stage, asked)
    await stage.complete(run, "then I will not")
    assert stage.ends(run) == [("completed", None)]


async def test_a_decision_that_comes_too_late_is_refused_before_the_server_looks(stage: Stage) -> None:
    """The time counts, not when the server gets to it."""
    asked = await ask(stage)
    stage.clock.now += 60
    with pytest.raises(Conflict, match="expired"):
        await resolve(stage, asked)
    assert states(stage, asked) == ["requested"]


@pytest.mark.parametrize("end", ["cancelled", "completed", "removed", "message deleted", "timed out"])
async def test_what_a_run_asks_for_ends_with_it(stage: Stage, end: str) -> None:
    """Nobody needs an answer any more, and is told so before the end."""
    run = await under_way(stage)
    asked = await ask(stage)
    if end == "cancelled":
        await completion.cancel(stage.world.ctx, Sign(ANN, run.id))
    elif end == "completed":
        await stage.complete(run, "never mind")
    elif end == "removed":
        await remove(stage, BOT)
    elif end == "message deleted":
        await edits.delete(stage.world.ctx, Target(ANN, run.message_id))
    else:  # without a look at approvals in between
        await stage.pass_time(91)
    assert len(stage.ends(run)) == 1
    assert states(stage, asked) == ["requested", "cancelled"]
    kinds = [
        event.kind for event in stage.world.heard.events if event.kind in ("approval", "run", "complete")
    ]
    assert kinds[-3:] == ["approval", "run", "complete"]
    with pytest.raises(Conflict, match="cancelled"):
        await resolve(stage, asked)


async def test_an_agent_that_is_removed_asks_for_nothing_any_more(stage: Stage) -> None:
    """Also if no run has waited for it."""
    asked = await ask(stage)
    await remove(stage, BOT)
    assert states(stage, asked) == ["requested", "cancelled"]


async def test_a_deleted_question_is_cancelled_and_erased(stage: Stage) -> None:
    """Its options are nowhere any more, everybody is told, and the run goes on."""
    run = await under_way(stage)
    asked = await ask(stage, options=[SECRET, "no"])
    await edits.delete(stage.world.ctx, Target(BOT, asked.id))
    last = [event for event in stage.world.heard.events if event.kind == "approval"][-1]
    assert last.payload["approval"]["state"] == "cancelled"
    assert last.payload["approval"]["options"] == []
    assert (await stage.now(run)).due_at == int(stage.clock.now * 1000) + LEASE_MS
    for attempt in (now(stage, asked), resolve(stage, asked, SECRET)):
        with pytest.raises(NotFound):
            await attempt

    def read(connection: Connection) -> list[str]:
        payloads = connection.execute(text("SELECT payload FROM events")).scalars()
        options = connection.execute(text("SELECT CAST(options AS TEXT) FROM approvals")).scalars()
        return [SECRET for said in [*map(bytes.decode, payloads), *options] if SECRET in said]

    assert await stage.world.database.inner.read(read) == []


async def test_a_deleted_decision_is_announced_to_nobody(stage: Stage) -> None:
    """It was closed before; what is left tells nothing of it."""
    asked = await ask(stage)
    await resolve(stage, asked)
    await edits.delete(stage.world.ctx, Target(BOT, asked.id))
    assert states(stage, asked) == ["requested", "resolved"]
    assert all("approval" not in payload for payload in await logged(stage, asked.id))


async def test_of_two_decisions_one_counts(stage: Stage) -> None:
    """Of many that come at once one wins, and each of the others is told who has decided, and what."""
    run = await under_way(stage)
    asked = await ask(stage)
    people = [Principal(f"person-{n}", Kind.USER) for n in range(8)]
    for person in people:
        await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, person.id))
    outcomes = await asyncio.gather(
        *(resolve(stage, asked, OPTIONS[n % 3], person) for n, person in enumerate(people)),
        return_exceptions=True,
    )
    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Approval)]
    assert won == await now(stage, asked)
    sentence = f"'{won.resolved_by}' has decided already, and has chosen '{won.choice}'"
    lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [error.details for error in lost] == [sentence] * 7
    assert states(stage, asked) == ["requested", "resolved"]
    assert (await stage.now(run)).state == "working"


async def test_the_same_decision_again_is_harmless(stage: Stage) -> None:
    """By the same person; another choice of it, and another's same choice, are refused."""
    asked = await ask(stage)
    first = await resolve(stage, asked, "yes")
    assert await resolve(stage, asked, "yes") == first
    for option, who in (("no", ANN), ("yes", BEN)):
        with pytest.raises(Conflict, match="'ann' has decided already, and has chosen 'yes'"):
            await resolve(stage, asked, option, who)
    assert states(stage, asked) == ["requested", "resolved"]


async def test_only_one_of_the_options_can_be_chosen(stage: Stage) -> None:
    """Word for word."""
    asked = await ask(stage)
    for option in ("", "YES", "maybe"):
        with pytest.raises(ValidationFailed):
            await resolve(stage, asked, option)
    assert states(stage, asked) == ["requested"]


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        (BOT, PermissionDenied),
        (OTHER_BOT, PermissionDenied),
        (SERVICE, PermissionDenied),
        (Principal("watcher", Kind.USER), PermissionDenied),
        (EVE, NotFound),
        (Principal("ann", Kind.USER, ALL_SCOPES), None),  # a service that acts as ann
    ],
    ids=lambda value: getattr(value, "id", None),
)
async def test_who_may_decide(stage: Stage, who: Principal, refusal: type[ParleyError] | None) -> None:
    """Users who may post, and nobody else; a stranger does not even find it."""
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id))
    await observe(stage, Principal("watcher", Kind.USER))
    asked = await ask(stage)
    if refusal is None:
        assert (await resolve(stage, asked, "no", who)).resolved_by == "ann"
        return
    with pytest.raises(refusal):
        await resolve(stage, asked, "no", who)
    assert states(stage, asked) == ["requested"]


async def test_those_who_are_named_decide_alone(stage: Stage) -> None:
    """No other user; another agent may, a service not by itself, and whoever has left not any more."""
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, OTHER_BOT.id))
    asked, other = await ask(stage, allowed=[OTHER_BOT.id, SERVICE.id]), await ask(stage, allowed=[BEN.id])
    for who in (ANN, SERVICE):
        with pytest.raises(PermissionDenied):
            await resolve(stage, asked, "no", who)
    assert (await resolve(stage, asked, "no", OTHER_BOT)).resolved_by == "other-bot"
    await remove(stage, BEN)
    with pytest.raises(NotFound):
        await resolve(stage, other, "no", BEN)


@pytest.mark.parametrize("who", ["eve", "bot", "watcher"])
async def test_only_participants_who_may_post_can_be_named(stage: Stage, who: str) -> None:
    """Not whoever asks, no observer, and nobody from elsewhere."""
    await observe(stage, Principal("watcher", Kind.USER))
    before = await stage.world.stored()
    with pytest.raises(ValidationFailed, match="allowed"):
        await ask(stage, allowed=["ann", who])
    assert await stage.world.stored() == before


@pytest.mark.parametrize("seconds", [-1, 0, 9, 9.999, 7 * 86_400 + 0.001])
async def test_a_question_ends_in_ten_seconds_to_seven_days(stage: Stage, seconds: float) -> None:
    """The bounds themselves are allowed; what is past, too near, or too far is not."""
    present = round(stage.clock.now * 1000)
    with pytest.raises(ValidationFailed):
        await ask(stage, expires_at=present + round(seconds * 1000))
    for allowed in (10_000, 7 * 86_400_000):
        assert (await ask(stage, expires_at=present + allowed)).expires_at == present + allowed


@pytest.mark.parametrize("who", [ANN, BEN])
async def test_people_do_not_ask(stage: Stage, who: Principal) -> None:
    """Agents do, and services, also in somebody's name."""
    with pytest.raises(PermissionDenied):
        await ask(stage, who)
    relayed = await stage.world.submit("may it?", author_id="bot", approval=request())
    assert relayed.message.approval is not None
    assert relayed.message.approval.requested_by == "bot"
    assert (await resolve(stage, await ask(stage, SERVICE), "no", who)).resolved_by == who.id


async def test_a_question_is_asked_once(stage: Stage) -> None:
    """The same again answers it as it is now; other options under the same key are another message."""
    key = new_id()
    asked = await ask(stage, key=key)
    resolved = await resolve(stage, asked)
    assert await ask(stage, key=key) == resolved
    with pytest.raises(Conflict):
        await ask(stage, key=key, options=["a", "b"])
    assert states(stage, asked) == ["requested", "resolved"]


async def test_a_question_cannot_have_the_id_of_a_reply(stage: Stage) -> None:
    """It would be the end of a run that goes on."""
    run = await under_way(stage)
    with pytest.raises(Conflict):
        await ask(stage, key=run.reply_id, id=run.reply_id)


async def test_a_question_and_the_reply_in_one_commit(stage: Stage) -> None:
    """The reply ends the run, and with it the question that came just before."""
    run = await under_way(stage)
    drafts = [
        stage.world.draft("may I?", principal=BOT, author_id=BOT.id, approval=request()),
        stage.world.draft("done", principal=BOT, author_id=BOT.id, parent_id=run.message_id),
    ]
    asked, _ = await messages.submit_many(stage.world.ctx, drafts)
    assert isinstance(asked, messages.Submitted)
    assert asked.message.approval is not None
    assert stage.ends(run) == [("completed", None)]
    assert (await now(stage, asked.message.approval)).state == "cancelled"
    assert [told["approval"]["state"] for told in await logged(stage, asked.message.id)] == ["cancelled"] * 3


async def test_options_follow_the_rule_for_content(stage: Stage) -> None:
    """Where scripts are refused in a message, they are in what it offers."""
    object.__setattr__(stage.world.journal, "policy", Policy(refuses_executable=True))
    with pytest.raises(ValidationFailed, match="options"):
        await ask(stage, options=["<script>", "no"])


async def test_approvals_are_listed_for_whom_they_concern(stage: Stage) -> None:
    """Those that one may decide or has asked for, the newest first, by state; a service sees all."""
    await observe(stage, Principal("watcher", Kind.USER))
    first = await ask(stage)
    stage.clock.now += 1
    second, third = await ask(stage, allowed=[BEN.id]), await ask(stage, SERVICE)
    await resolve(stage, third, "no")

    async def ids(who: Principal, *wanted: approvals.State) -> set[str]:
        found = await approvals.list_concerning(stage.world.ctx, who, wanted, 50)
        assert [one.created_at for one in found] == sorted((one.created_at for one in found), reverse=True)
        return {one.id for one in found}

    requested, resolved = approvals.State.REQUESTED, approvals.State.RESOLVED
    assert await ids(ANN, requested) == {first.id}
    assert await ids(BEN, requested) == await ids(BOT, requested) == {first.id, second.id}
    assert await ids(BEN, requested, resolved) == {first.id, second.id, third.id}
    assert await ids(SERVICE, requested, resolved) == {first.id, second.id, third.id}
    for nobody in (EVE, Principal("watcher", Kind.USER)):
        assert await ids(nobody, requested, resolved) == set()
    (newest,) = await approvals.list_concerning(stage.world.ctx, BEN, [requested], 1)
    assert newest.id == second.id


async def test_who_may_not_read_the_question_finds_no_approval(stage: Stage) -> None:
    """Where earlier history is hidden, whoever joined later neither sees, lists nor decides it."""
    await stage.world.database.inner.write(
        lambda connection: connection.execute(text("UPDATE channels SET earlier_history = false"))
    )
    asked = await ask(stage)
    await participants.add(stage.world.ctx, Joining(SERVICE, stage.world.channel_id, EVE.id))
    with pytest.raises(NotFound):
        await resolve(stage, asked, "no", EVE)
    found = await approvals.list_concerning(stage.world.ctx, EVE, list(approvals.State), 50)
    assert found == []


async def test_a_message_without_an_approval_has_none(stage: Stage) -> None:
    """Nothing is told of it, and there is nothing to resolve."""
    said: Message = await stage.say()
    assert said.approval is None
    assert all("approval" not in payload for payload in await logged(stage, said.id))
    for message_id in (said.id, new_id(), "x"):
        with pytest.raises(NotFound):
            await decisions.resolve(stage.world.ctx, Decision(ANN, message_id, "yes"))
