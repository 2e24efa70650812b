"""A live socket keeps its session alive, and is told when it is about to end, and has ended."""

import pytest

from rooms.ids import new_id
from rooms.rules import DEFAULT_SERVER_ID
from server import session_sweep
from tests.running import Parley
from tests.sessions import MINUTE, SESSIONS, Clock, begin, furnish
from tests.talking import talking


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server look after sessions more often than anybody would notice."""
    monkeypatch.setattr(session_sweep, "LOOK_SECONDS", 0.02)


async def test_heartbeats_of_a_socket_keep_a_session_alive(parley: Parley) -> None:
    """Each is answered with the session as it is; without them it ends, however long the socket lives."""
    clock = Clock.of(parley)
    ann, _ = await furnish(parley)
    session = await begin(ann, timeoutConfig={"timeoutMinutes": 5})
    about = {"session_id": session["sessionId"]}
    async with talking(parley.url, {"token": ann.secret}) as socket:
        for count in range(1, 5):
            clock.now += 4 * MINUTE
            kept = await socket.data("heartbeat", about)
            assert set(kept) == {"cursor", "now", "session"}
            assert (kept["session"]["renewalCount"], kept["session"]["sessionId"]) == (
                count,
                session["sessionId"],
            )
        clock.now += 6 * MINUTE
        assert set(await socket.data("heartbeat")) == {"cursor", "now"}
        assert await socket.code("heartbeat", about) == "SESSION_EXPIRED"


async def test_a_socket_keeps_nobody_elses_session_alive(parley: Parley) -> None:
    """To others it does not exist, and it is not renewed by them."""
    ann, bot = await furnish(parley)
    session = await begin(ann)
    for client in (await parley.user("ben"), bot):
        async with talking(parley.url, {"token": client.secret}) as socket:
            for unknown in (session["sessionId"], new_id()):
                assert await socket.code("heartbeat", {"session_id": unknown}) == "SESSION_NOT_FOUND"
            for wrong in ("x", 5, ["x"], {}):
                assert await socket.code("heartbeat", {"session_id": wrong}) == "VALIDATION_ERROR"
    assert (await ann.get(f"{SESSIONS}/{session['sessionId']}")).body["renewalCount"] == 0


async def test_a_sessions_end_is_told_to_those_in_its_channel(parley: Parley) -> None:
    """User and agent are told once each, before and after; others hear nothing, and nothing is stored."""
    clock = Clock.of(parley)
    ann, bot = await furnish(parley)
    ben = await parley.user("ben")
    session = await begin(ann)
    names = ("session_expiring", "session_expired")
    async with (
        talking(parley.url, {"token": ann.secret}) as user,
        talking(parley.url, {"token": bot.secret}) as agent,
        talking(parley.url, {"token": ben.secret}) as stranger,
    ):
        before = await user.data("heartbeat")
        clock.now += 26 * MINUTE
        for talker in (user, agent):
            (notice,) = await talker.wait_for("session_expiring")
            assert notice == {
                "session_id": session["sessionId"],
                "sessionId": session["sessionId"],
                "channel_id": session["channelId"],
                "server_id": DEFAULT_SERVER_ID,
                "expiresAt": session["expiresAt"],
                "timeRemaining": pytest.approx(4 * MINUTE * 1000, abs=1),
            }
        clock.now += 5 * MINUTE
        for talker in (user, agent):
            (notice,) = await talker.wait_for("session_expired")
            assert notice["timeRemaining"] == 0
        for talker in (user, agent, stranger):
            await talker.settle()
            assert len(talker.all(*names)) == (0 if talker is stranger else 2)
        assert (await user.data("heartbeat"))["cursor"] == before["cursor"]
