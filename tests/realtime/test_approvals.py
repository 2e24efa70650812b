"""Approvals over real connections: what agents ask, what people decide, and what both are told."""

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from rooms.principals import Kind
from server import overdue
from tests.rest import API, Reply, Rest
from tests.returning import Returner
from tests.running import Parley, running_parley
from tests.talking import ELIZA, Talker, talking

pytestmark = pytest.mark.usefixtures("quick_looks")

APPROVAL = {"options": ["yes", "no"], "expires_in": 60}
QUESTION = {"content": "shall I?", "approval": APPROVAL}
PATIENCE = 30.0


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server look after approvals more often than people would notice."""
    monkeypatch.setattr(overdue, "LOOK_SECONDS", 0.05)


async def furnish(parley: Parley) -> tuple[str, str, str]:
    """Create a channel of ann, ben and the agent bot, and return its id and the keys of ann and bot."""
    ann, bot = await parley.key(Kind.USER, "ann"), await parley.key(Kind.AGENT, "bot")
    return await parley.service.new_channel("talk", "ann", "ben", "bot"), ann, bot


async def claimed(ann: Talker, bot: Talker, channel_id: str) -> str:
    """Let ann say something, the agent take the run, and return the run's id."""
    await ann.data("submit", {"channel_id": channel_id, "content": "clean up, please"})
    run_id: str = (await bot.wait_for("run"))[-1]["run"]["id"]
    await bot.data("claim_run", {"run_id": run_id})
    return run_id


async def resolve(client: Rest, message_id: str, option: str) -> Reply:
    """Decide over REST."""
    return await client.post(f"{API}/approvals/{message_id}/resolve", {"option": option})


async def ask(client: Rest, channel_id: str, **approval: Any) -> str:
    """Let an agent ask over REST, and return the message's id."""
    asked = await client.submit(channel_id, "shall I?", approval={**APPROVAL, **approval})
    message_id: str = asked.data["id"]
    return message_id


async def test_an_agent_asks_and_goes_on_with_the_answer(parley: Parley) -> None:
    """Both see the question, the decision, and only then the reply and the end of the run."""
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}) as ann, talking(parley.url, {"token": bot_key}) as bot:
        run_id = await claimed(ann, bot, channel_id)
        asked = await bot.data("submit", {"channel_id": channel_id, **QUESTION})
        told = (await ann.wait_for("message", 2))[1]
        (requested,) = await ann.wait_for("approval")
        assert asked["approval"] == told["approval"] == requested["approval"]
        assert (requested["message_id"], requested["run_id"]) == (asked["id"], run_id)
        choice = {"message_id": asked["id"], "option": "yes"}
        assert await bot.code("resolve_approval", choice) == "PERMISSION_DENIED"
        resolved = await ann.data("resolve_approval", choice)
        assert (resolved["approval"]["state"], resolved["approval"]["choice"]) == ("resolved", "yes")
        heard = (await bot.wait_for("approval", 2))[1]
        assert {**resolved, "seq": heard["seq"]} == heard
        await bot.data("complete", {"run_id": run_id, "response": "done"})
        await ann.settle()
        names = [name for name, _ in ann.heard if name != "ready"]
        assert names == [
            "message",
            "run",
            "run",
            "message",
            "approval",
            "approval",
            "message",
            "run",
            "complete",
        ]


async def test_clients_of_elizaos_are_shown_the_text(parley: Parley) -> None:
    """They have no words for what it asks, and what they are told is as ever."""
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}, ELIZA) as ann:
        message_id = await ask(parley.bearer(bot_key), channel_id)
        await resolve(parley.bearer(ann_key), message_id, "no")
        (told,) = await ann.wait_for("messageBroadcast")
        await ann.settle()
        assert (told["text"], "approval" in told) == ("shall I?", False)
        assert {name for name, _ in ann.heard} <= {
            "connection_established",
            "authenticated",
            "messageBroadcast",
            "messageError",  # of settle()
        }


async def test_a_question_in_a_batch_is_one_too(parley: Parley) -> None:
    """By socket and by REST, and only the agent's is accepted."""
    channel_id, ann_key, bot_key = await furnish(parley)
    batch = {"messages": [{"channel_id": channel_id, **QUESTION}]}
    async with talking(parley.url, {"token": bot_key}) as bot:
        (outcome,) = await bot.data("submit_many", batch)
        assert outcome["data"]["approval"]["state"] == "requested"
    (outcome,) = (await parley.bearer(bot_key).post(f"{API}/submit/batch", batch)).data
    assert outcome["data"]["approval"]["state"] == "requested"
    (outcome,) = (await parley.bearer(ann_key).post(f"{API}/submit/batch", batch)).data
    assert outcome["error"]["code"] == "PERMISSION_DENIED"


async def test_a_time_may_be_written_as_clients_like(parley: Parley) -> None:
    """ISO 8601 and epoch milliseconds mean the same, and the answer has milliseconds."""
    channel_id, _, bot_key = await furnish(parley)
    bot = parley.bearer(bot_key)
    soon = parley.node.ctx.now() // 1000 * 1000 + 60_000
    moment = datetime.datetime.fromtimestamp(soon / 1000, datetime.UTC)
    for written in (soon, moment.isoformat()):
        message_id = await ask(bot, channel_id, expires_in=None, expires_at=written)
        assert (await bot.message(message_id)).data["approval"]["expires_at"] == soon


async def test_everybody_who_may_not_decide_is_refused(parley: Parley) -> None:
    """In the words of REST: who does not see it, who may not, what is no option, and what comes late."""
    channel_id, ann_key, bot_key = await furnish(parley)
    await parley.service.add(channel_id, "watcher", role="observer")
    message_id = await ask(parley.bearer(bot_key), channel_id)
    ann, ben, eve = parley.bearer(ann_key), await parley.user("ben"), await parley.user("eve")
    for client in (parley.bearer(bot_key), await parley.user("watcher"), parley.service):
        assert (await resolve(client, message_id, "yes")).refusal == (403, "PERMISSION_DENIED")
        assert (await client.get(f"{API}/approvals/{message_id}")).status == 200
    assert (await resolve(eve, message_id, "yes")).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await eve.get(f"{API}/approvals/{message_id}")).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await resolve(ann, message_id, "maybe")).refusal == (400, "VALIDATION_ERROR")
    replies = await asyncio.gather(resolve(ann, message_id, "yes"), resolve(ben, message_id, "no"))
    (late,) = [reply for reply in replies if reply.status == 409]
    (won,) = [reply.data["approval"] for reply in replies if reply.status == 200]
    assert won["resolved_by"] in late.error["details"]
    assert (await eve.get(f"{API}/approvals", state="requested,resolved")).data == {"approvals": []}
    assert (await ann.get(f"{API}/approvals")).data == {"approvals": []}
    (listed,) = (await ann.get(f"{API}/approvals", state="resolved")).data["approvals"]
    assert listed["approval"] == won
    assert (await ann.get(f"{API}/approvals", state="open")).refusal == (400, "VALIDATION_ERROR")


async def test_the_server_ends_what_nobody_decides(parley: Parley) -> None:
    """Everybody is told, nothing was chosen, and the run goes on."""
    channel_id, ann_key, bot_key = await furnish(parley)
    async with talking(parley.url, {"token": ann_key}) as ann, talking(parley.url, {"token": bot_key}) as bot:
        run_id = await claimed(ann, bot, channel_id)
        asked = await bot.data("submit", {"channel_id": channel_id, **QUESTION})
        parley.pass_time(60)
        expired = (await bot.wait_for("approval", 2))[1]["approval"]
        assert (expired["state"], expired["choice"]) == ("expired", None)
        late = {"message_id": asked["id"], "option": "yes"}
        assert await ann.code("resolve_approval", late) == "CONFLICT"
        done = await bot.data("complete", {"run_id": run_id, "response": "not without you"})
        assert done["run"]["state"] == "completed"


@pytest.mark.parametrize("is_taken_back", [False, True])
async def test_whoever_comes_back_finds_no_question_open_that_is_closed(
    parley: Parley, *, is_taken_back: bool
) -> None:
    """What this node has just delivered is told as it is now, too: decided, or not there any more."""
    channel_id, ann_key, bot_key = await furnish(parley)
    ann, bot = parley.bearer(ann_key), parley.bearer(bot_key)
    away = Returner(parley.url, {"token": await parley.key(Kind.USER, "ben")})
    try:
        await away.connect()
        await away.settle()
        await away.drop()
        closed, still_open = [await ask(bot, channel_id) for _ in range(2)]
        await (bot.delete_message(closed) if is_taken_back else resolve(ann, closed, "no"))
        await away.connect()
        assert away.recovered
        *_, last = await away.hears("approval", 3)
        told = [payload.get("approval", {"state": "gone"}) for payload in away.all("message", "approval")]
        states = [approval["state"] for approval in told]
        before, after = ("gone", "cancelled") if is_taken_back else ("resolved", "resolved")
        assert states == [before] * 2 + ["requested"] * 2 + [after]
        assert last["message_id"] == closed != still_open
    finally:
        await away.close()


async def test_a_question_outlives_the_server(tmp_path: Path) -> None:
    """One is decided after a restart, one has expired meanwhile, and their agent is told of both."""
    async with running_parley(tmp_path, run_lease_seconds=30) as parley:
        channel_id, ann_key, bot_key = await furnish(parley)
        async with (
            talking(parley.url, {"token": ann_key}) as ann,
            talking(parley.url, {"token": bot_key}) as bot,
        ):
            cursor = (await bot.wait_for("ready"))[0]["cursor"]
            run_id = await claimed(ann, bot, channel_id)
            short = await bot.data("submit", {"channel_id": channel_id, **QUESTION})
        long = await ask(parley.bearer(bot_key), channel_id, expires_in=86_400, run_id=run_id)
    async with running_parley(tmp_path, run_lease_seconds=30) as parley:
        parley.pass_time(3_600)
        async with talking(parley.url, {"token": bot_key, "after": cursor}) as bot:
            await _until_expired(parley.bearer(bot_key), short["id"])
            resolved = await resolve(parley.bearer(ann_key), long, "yes")
            assert resolved.data["approval"]["choice"] == "yes"
            closed = {
                told["message_id"]: told["approval"]["state"] for told in await bot.wait_for("approval", 4)
            }
            assert closed == {short["id"]: "expired", long: "resolved"}
            done = await bot.data("complete", {"run_id": run_id, "response": "done"})
            assert done["run"]["state"] == "completed"


async def _until_expired(client: Rest, message_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await client.message(message_id)).data["approval"]["state"] != "expired":
            pass
