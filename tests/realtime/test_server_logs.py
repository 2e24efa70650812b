"""The server's own log: who may read it, what is in it, and how it is followed."""

import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers.logbook import AT_ONCE, KEPT, LEVELS, LONGEST, Entry, Filters, Logbook
from rooms.principals import Kind, Scope
from tests.running import Parley, Start
from tests.talking import ELIZA, Talker, talking

LOGS = "/api/server/logs"

log = logging.getLogger("parley.test")


@pytest.fixture(autouse=True)
def _loud(caplog: pytest.LogCaptureFixture) -> None:
    """Have Parley say what it says in production."""
    caplog.set_level(logging.INFO, "parley")


@pytest.fixture
async def reader(parley: Parley) -> AsyncIterator[Talker]:
    """Give a service that follows the log."""
    async with talking(parley.url, {"token": parley.service_key}, ELIZA) as talker:
        assert (await talker.data("subscribe_logs"))["subscribed"] is True
        yield talker


async def lines(parley: Parley, **query: Any) -> list[tuple[int, str]]:
    """Return levels and texts of what a service reads of this test's lines."""
    found = (await parley.service.get(LOGS, **query)).body["logs"]
    return [(line["level"], line["msg"]) for line in found if line["msg"].startswith("line")]


def told(talker: Talker) -> list[str]:
    """Return the texts that were told of this test's lines."""
    heard = [event["payload"]["msg"] for event in talker.all("log_stream")]
    return [text for text in heard if text.startswith("line")]


async def test_the_log_is_read_in_elizas_words(parley: Parley) -> None:
    """Levels are elizaOS's numbers; a page has the newest lines, the oldest of them first."""
    before = parley.node.ctx.now()
    for level, text in ((logging.INFO, "line 1"), (logging.WARNING, "line 2"), (logging.CRITICAL, "line 3")):
        log.log(level, text)
    assert await lines(parley) == [(30, "line 1"), (40, "line 2"), (60, "line 3")]
    assert await lines(parley, level="WARN") == [(40, "line 2")]
    assert await lines(parley, level="", agentName="", agentId="") == await lines(parley, level="all")
    assert await lines(parley, since=before + 3_600_000) == []
    assert await lines(parley, agentName="Ada") == []
    page = (await parley.service.get(LOGS, limit=1)).body
    assert (page["count"], len(page["logs"]), page["levels"]) == (1, 1, list(LEVELS))
    posted = (await parley.service.post(LOGS, {"logs": [{"level": "info", "message": "line 4"}]})).body
    assert posted["received"] == 0
    assert [text for _, text in await lines(parley)] == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize("query", [{"level": "loud"}, {"since": "yesterday"}, {"limit": "-1"}])
async def test_a_bad_parameter_is_refused(parley: Parley, query: dict[str, str]) -> None:
    """Whatever is wrong with it."""
    assert (await parley.service.get(LOGS, **query)).refusal == (400, "VALIDATION_ERROR")


async def test_lines_are_bounded_and_can_be_cleared(parley: Parley) -> None:
    """The oldest give way, long ones are cut, and of an exception its kind is left."""
    for number in range(KEPT + 10):
        log.info("line %d", number)
    found = await lines(parley, limit=KEPT)
    assert (len(found) >= KEPT - 10, found[-1][1]) == (True, f"line {KEPT + 9}")
    log.info("line %s", "x" * LONGEST)
    try:
        raise RuntimeError("confidential")
    except RuntimeError:
        log.exception("line of trouble")
    newest = (await lines(parley))[-2:]
    assert [len(newest[0][1]), newest[1]] == [LONGEST, (50, "line of trouble (RuntimeError)")]
    cleared = (await parley.service.delete(LOGS)).body
    assert (cleared["status"], cleared["cleared"]) == ("success", KEPT)
    assert await lines(parley) == []


async def test_only_who_may_read_the_log_follows_it(parley: Parley) -> None:
    """Neither a user, nor an agent, nor a service without the scope: over REST and on sockets."""
    others = [await parley.user("ann"), await parley.agent("bot")]
    others.append(await parley.restricted_service(*(set(Scope) - {Scope.LOGS_READ})))
    for client in others:
        for method in ("GET", "POST", "DELETE"):
            assert (await client.request(method, LOGS)).refusal == (403, "PERMISSION_DENIED")
        async with talking(parley.url, {"token": client.secret}, ELIZA) as talker:
            assert await talker.code("subscribe_logs") == "PERMISSION_DENIED"
            (answer,) = await talker.wait_for("log_subscription_confirmed")
            assert answer["subscribed"] is False
            log.warning("line that is not for it")
            assert await talker.code("update_log_filters", {"level": "info"}) == "VALIDATION_ERROR"
            assert told(talker) == []
    reader = await parley.restricted_service(Scope.LOGS_READ)
    assert (await reader.get(LOGS)).status == 200


async def test_in_open_mode_the_log_is_for_everybody_on_this_machine(start: Start) -> None:
    """Whether the client says who it is or not."""
    near = await start(auth="open")
    assert (await near.anonymous.get(LOGS)).status == 200
    for auth in ({"entityId": "ann"}, {}):
        async with talking(near.url, auth, ELIZA) as ann:
            assert (await ann.data("subscribe_logs"))["subscribed"] is True


async def test_in_open_mode_the_log_is_for_nobody_on_a_network(start: Start) -> None:
    """Everything else is as it is on loopback."""
    far = await start(auth="open", allow_open=True, host="0.0.0.0")
    assert (await far.anonymous.get(LOGS)).refusal == (403, "PERMISSION_DENIED")
    assert (await far.anonymous.get("/api/agents")).status == 200
    async with talking(far.url, {"entityId": "ann"}, ELIZA) as ann:
        assert await ann.code("subscribe_logs") == "PERMISSION_DENIED"


async def test_lines_are_told_as_they_come(parley: Parley, reader: Talker) -> None:
    """From any thread, each once and in order; what was said before is not told."""
    worker = threading.Thread(target=lambda: log.warning("line of a thread"))
    log.info("line 1")
    worker.start()
    worker.join()
    await reader.wait_for("log_stream", 2)
    log.info("line 2")
    await reader.wait_for("log_stream", 3)
    assert told(reader) == ["line 1", "line of a thread", "line 2"]
    (first, *_) = reader.all("log_stream")
    assert first == {"type": "log_entry", "payload": {**first["payload"], "level": 30, "msg": "line 1"}}


async def test_lines_are_filtered_as_asked(parley: Parley, reader: Talker) -> None:
    """A level wants that and above, by name or number; of an agent there are none."""
    for level in ("warn", "WARN", 40):
        filters = {"level": level, "agentName": "all"}
        assert (await reader.data("update_log_filters", filters))["filters"] == filters
    log.info("line 1")
    log.error("line 2")
    await reader.wait_for("log_stream")
    await reader.data("update_log_filters", {"agentName": "Ada"})
    log.error("line 3")
    await reader.data("update_log_filters", {"agentName": "all", "level": "all"})
    log.info("line 4")
    await reader.wait_for("log_stream", 2)
    assert told(reader)[0] == "line 2"
    assert told(reader)[-1] == "line 4"
    assert "line 1" not in told(reader)
    assert all(answer["success"] for answer in reader.all("log_filters_updated"))


@pytest.mark.parametrize(
    "filters", [None, [], "info", {"level": "loud"}, {"level": []}, {"level": True}, {"agentName": 5}]
)
async def test_bad_filters_are_refused(reader: Talker, filters: Any) -> None:
    """The answer says so, too, and the filters stay."""
    assert await reader.code("update_log_filters", filters) == "VALIDATION_ERROR"
    (answer,) = await reader.wait_for("log_filters_updated")
    assert (answer["success"], bool(answer["error"])) == (False, True)
    log.info("line")
    await reader.wait_for("log_stream")


async def test_who_unsubscribes_is_told_nothing_more(parley: Parley, reader: Talker) -> None:
    """Another one is."""
    async with talking(parley.url, {"token": parley.service_key}, ELIZA) as other:
        await other.call("subscribe_logs")
        assert (await reader.data("unsubscribe_logs"))["subscribed"] is False
        log.info("line")
        await other.wait_for("log_stream")
        await reader.settle()
    assert told(reader) == []


async def test_what_people_say_is_in_no_line(parley: Parley, reader: Talker) -> None:
    """Nor is a credential, also when something is wrong with them."""
    channel_id = await parley.service.new_channel("talk", "ann")
    ann = await parley.user("ann")
    await ann.submit(channel_id, "confidential")
    await ann.submit(channel_id, "confidential\0")
    await parley.bearer("parley_confidential").get("/api/agents")
    await reader.wait_for("log_stream", 2)
    said = str(reader.all("log_stream")) + str((await parley.service.get(LOGS)).raw)
    assert "VALIDATION_ERROR" in said
    assert "confidential" not in said
    assert (ann.secret or "") not in said


class Slow:
    """A connection that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.is_full, self.is_over = True, False
        self.heard: list[str] = []

    def emit(self, _event: str, told: dict[str, Any]) -> None:
        """Note what was told."""
        self.heard.append(told["payload"]["msg"])


async def test_a_slow_reader_misses_lines_and_costs_nobody_any(parley: Parley, reader: Talker) -> None:
    """It is sent the newest when it has room; one that has gone is forgotten."""
    logs = await _logbook(parley)
    slow = Slow()
    logs.follow(slow)
    for number in range(AT_ONCE + 50):
        log.info("line %d", number)
    await reader.wait_for("log_stream", AT_ONCE)
    assert slow.heard == []
    slow.is_full = False
    log.info("line at last")
    await reader.wait_for("log_stream", AT_ONCE + 1)
    assert (len(slow.heard), slow.heard[-1]) == (AT_ONCE, "line at last")
    slow.is_over = True
    log.info("line after that")
    await reader.wait_for("log_stream", AT_ONCE + 2)
    assert (len(slow.heard), logs.filter_for(slow, {})) == (AT_ONCE, None)


class Noisy(Slow):
    """A connection to which something happens when it is told a line, which the log says."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.is_full = False
        self._logger = logger

    def emit(self, event: str, told: dict[str, Any]) -> None:
        """Note what was told, and say so."""
        super().emit(event, told)
        self._logger.info("told %s", told["payload"]["msg"])


def test_what_is_logged_while_lines_are_told_is_told_later() -> None:
    """Nothing is lost by it, and telling ends."""
    logs, logger = Logbook(), logging.Logger("apart")
    logger.addHandler(logs)
    noisy = Noisy(logger)
    logs.follow(noisy)
    logger.info("one")
    logger.info("two")
    logs.filter_for(noisy, {})
    assert noisy.heard == ["one", "two"]
    logs.filter_for(noisy, {})
    assert noisy.heard[2:] == ["told one", "told two"]


async def _logbook(parley: Parley) -> Any:
    """Return what keeps the node's lines."""
    found = [handler for handler in logging.getLogger("parley").handlers if hasattr(handler, "follow")]
    return found[-1]


async def test_a_node_that_ends_leaves_nothing_behind(start: Start) -> None:
    """The logger of the process is as it was."""
    before = list(logging.getLogger("parley").handlers)
    node = await start()
    assert len(logging.getLogger("parley").handlers) == len(before) + 1
    assert await node.key(Kind.USER, "ann")


def test_a_filter_admits_its_level_and_above() -> None:
    """Nothing of an agent is in the log."""
    line = Entry(0, LEVELS["warn"], "line")
    assert [Filters(LEVELS[name]).admit(line) for name in ("info", "warn", "error")] == [True, True, False]
    assert not Filters(agent_name="Ada").admit(line)
