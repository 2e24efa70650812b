"""Moving over from elizaOS: what is copied, that it is copied once, and what is told of the rest."""

from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from rooms.rules import DEFAULT_SERVER_ID
from tests.eliza_database import (
    AGENT,
    AGENTS,
    BEGAN,
    DM,
    GROUP,
    NAMES_OF_1_5,
    NAMES_OF_1_7,
    OTHER_AGENT,
    SESSION,
    USER,
    ElizaData,
    eliza_api,
    message,
)  # fmt: skip
from tests.following import EVENTS
from tests.rest import API
from tests.running import Parley, Start, run_parley, running_parley
from tests.services import Postgres


async def run(*arguments: str, data_dir: Path, **environment: str) -> str:
    """Run a command that must succeed, and return what it said."""
    code, said = await run_parley(*arguments, "--data-dir", str(data_dir), **environment)
    assert code == 0, said
    return said


def counts(said: str) -> dict[str, list[int]]:
    """Return how many of each kind were added, were there already and were not taken."""
    lines = [line.split() for line in said.splitlines()]
    kinds = ("servers", "channels", "messages")
    return {
        line[0]: [int(number) for number in line[1:]]
        for line in lines
        if len(line) == 4 and line[0] in kinds and line[1].isdecimal()
    }


async def history(parley: Parley, channel_id: str) -> list[dict[str, Any]]:
    """Return everything that was said in a channel, the oldest first."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 200, "offset": 0}
    while page := (await parley.service.history(channel_id, **query)).data["messages"]:
        found += page
        query["offset"] += len(page)
    return found


async def agents_of_default_server(parley: Parley) -> list[str]:
    """Return the agents that are found there, also those in no channel."""
    reply = await parley.service.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/agents")
    return sorted(reply.data["agents"])


@pytest.mark.parametrize(("names", "many"), [(NAMES_OF_1_7, 10_000), (NAMES_OF_1_5, 10)], ids=["1.7", "1.5"])
async def test_ten_thousand_messages_are_copied_once(
    postgres_database: str, tmp_path: Path, start: Start, names: dict[str, str], many: int
) -> None:
    """Their ids, authors, texts, order and times are the same; a second time nothing is added."""
    data_dir = tmp_path / "data"
    eliza = ElizaData([message(number) for number in range(many)])
    await eliza.fill(postgres_database, names)
    source = postgres_database.replace("+asyncpg", "") + "?sslmode=disable"  # as hosts of databases say it
    await run("migrate", data_dir=data_dir)
    first = counts(await run("import-eliza", source, data_dir=data_dir))
    second = counts(await run("import-eliza", source, data_dir=data_dir))
    assert first == {"servers": [1, 0, 0], "channels": [3, 0, 0], "messages": [many, 0, 0]}
    assert second == {"servers": [0, 1, 0], "channels": [0, 3, 0], "messages": [0, many, 0]}
    assert "without holes" in await run("check", data_dir=data_dir)
    parley = await start(data_dir)
    found = await history(parley, GROUP)
    assert [(one["id"], one["text"], one["created_at"]) for one in found] == [
        (one["id"], one["content"], one["created_at"]) for one in eliza.messages
    ]
    assert [(one["userId"], one["agentId"]) for one in found[:2]] == [(USER, None), (None, AGENT)]
    assert found[1]["metadata"]["agentName"] == "Ada"
    assert found[0]["raw_message"] == {"text": "message 0"}
    assert await agents_of_default_server(parley) == sorted(AGENTS)


async def test_a_running_server_is_read_by_its_api(tmp_path: Path, start: Start) -> None:
    """Its pages end within milliseconds that messages share; none is lost, and none is taken twice."""
    data_dir = tmp_path / "data"
    crowd = [message(number, created_at=BEGAN + 600) for number in range(1200, 2400)]
    eliza = ElizaData([message(number) for number in range(1200)] + crowd)
    await run("migrate", data_dir=data_dir)
    async with eliza_api(eliza, token="a token") as url:
        code, said = await run_parley("import-eliza", url, "--data-dir", str(data_dir))
        assert (code, said.count("\n")) == (1, 1)
        assert "answered 401" in said
        copy = ("import-eliza", url)
        first = counts(await run(*copy, data_dir=data_dir, ELIZA_API_KEY="a token"))
        second = counts(await run(*copy, data_dir=data_dir, ELIZA_API_KEY="a token"))
    assert (first["messages"], second["messages"]) == ([2400, 0, 0], [0, 2400, 0])
    parley = await start(data_dir)
    found = await history(parley, GROUP)
    assert [one["id"] for one in found] == [one["id"] for one in eliza.messages]
    assert await agents_of_default_server(parley) == sorted(AGENTS)


async def test_a_server_that_has_been_asked_too_much_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """It answers 1,000 requests in 15 minutes, and says when it goes on; whoever waits is told."""
    data_dir = tmp_path / "data"
    await run("migrate", data_dir=data_dir)
    async with eliza_api(ElizaData([message(0)], refusals=2)) as url:
        said = await run("import-eliza", url, data_dir=data_dir)
    assert said.count("wants to be left alone; going on in 0 s") == 2
    assert counts(said)["messages"] == [1, 0, 0]


async def test_a_channel_whose_name_breaks_a_rule_is_taken(postgres_database: str, tmp_path: Path) -> None:
    """Under as much of it as may be, so that nothing is lost of what was said there."""
    long, belled, nothing = "x" * 300, "ring\x07 ring", "\x07"
    names = {GROUP: long, DM: belled, SESSION: nothing}
    eliza = ElizaData([message(0)], channels={one: (name, "GROUP", [USER]) for one, name in names.items()})
    await eliza.fill(postgres_database, NAMES_OF_1_7)
    data_dir, report = tmp_path / "data", tmp_path / "report"
    await run("migrate", data_dir=data_dir)
    source = postgres_database.replace("+asyncpg", "")
    said = await run("import-eliza", source, "--report", str(report), data_dir=data_dir)
    assert counts(said) == {"servers": [1, 0, 0], "channels": [3, 0, 0], "messages": [1, 0, 0]}
    why = {line["id"]: line["why"] for line in map(orjson.loads, report.read_bytes().splitlines())}
    assert why.keys() == names.keys()
    assert all("name was cut" in reason for reason in why.values())
    async with running_parley(data_dir) as parley:
        page = await parley.service.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels")
        called = {channel["id"]: channel["name"] for channel in page.data["channels"]}
    assert {one: called[one] for one in names} == {GROUP: long[:256], DM: "ring ring", SESSION: SESSION}


async def test_rows_that_may_not_be_seen_are_not_passed_over(
    postgres_database: str, postgres_server: Postgres, tmp_path: Path
) -> None:
    """Where elizaOS isolates its data, a role that would be shown a part is refused, and told so."""
    await ElizaData([message(0)]).fill(postgres_database, NAMES_OF_1_7)
    connection = await asyncpg.connect(postgres_database.replace("+asyncpg", ""))
    await connection.execute(
        "ALTER TABLE central_messages ENABLE ROW LEVEL SECURITY; "
        "CREATE ROLE confined LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO confined"
    )
    await connection.close()
    data_dir = tmp_path / "data"
    await run("migrate", data_dir=data_dir)
    source = postgres_database.replace("+asyncpg", "").replace("postgres@", "confined@")
    code, said = await run_parley("import-eliza", source, "--data-dir", str(data_dir))
    assert (code, "row-level security" in said) == (1, True)
    connection = await asyncpg.connect(postgres_database.replace("+asyncpg", ""))
    await connection.execute("DROP OWNED BY confined; DROP ROLE confined")
    await connection.close()


@pytest.fixture
async def imported(postgres_database: str, tmp_path: Path, start: Start) -> tuple[Parley, str, Path]:
    """Copy a few messages, some of which break rules; give Parley, what was said, and the report."""
    wide = {"a b": 1}
    eliza = ElizaData(
        [
            message(0),
            message(1, in_reply_to_root_message_id=message(0)["id"]),
            message(2, content="x" * 4_001),
            message(3, content="x" * 4_001),
            message(4, content="bell \x07"),
            message(5, metadata=wide),
            message(6, raw_message="a text"),
            message(7, id="not-a-uuid"),
            message(8, in_reply_to_root_message_id=message(2)["id"]),
            message(9, channel_id=DM),
            message(10, channel_id=SESSION, author_id=USER),
            message(12, channel_id=DM, author_id="12345678-0000-0000-0000-000000000000"),
        ]
    )
    await eliza.fill(postgres_database, NAMES_OF_1_7)
    data_dir, report = tmp_path / "data", tmp_path / "report"
    await run("migrate", data_dir=data_dir)
    source = postgres_database.replace("+asyncpg", "")
    said = await run("import-eliza", source, "--report", str(report), data_dir=data_dir)
    return await start(data_dir), said, report


async def test_what_breaks_a_rule_is_told_and_not_changed(imported: tuple[Parley, str, Path]) -> None:
    """Messages are left out whole, metadata beside a message too; each with its reason."""
    parley, said, report = imported
    assert counts(said)["messages"] == [9, 0, 3]
    kept = await history(parley, GROUP)
    assert [one["id"] for one in kept] == [message(number)["id"] for number in (0, 1, 3, 5, 6, 8)]
    assert "a b" not in kept[3]["metadata"]
    lines = [orjson.loads(line) for line in report.read_bytes().splitlines()]
    why = {line["id"]: line["why"] for line in lines}
    assert why.keys() == {
        *(message(number)["id"] for number in (2, 4, 5, 6, 8, 12)), "not-a-uuid",
    }  # fmt: skip
    assert "at most 4000 characters" in why[message(2)["id"]]
    assert "U+0007" in why[message(4)["id"]]
    assert "metadata was left out" in why[message(5)["id"]]
    assert "raw_message was left out" in why[message(6)["id"]]
    assert "that it answers is not there" in why[message(8)["id"]]
    assert "exactly 2 participants" in why[message(12)["id"]]
    assert "UUID" in why["not-a-uuid"]
    assert "bell" not in said + report.read_text()


async def test_what_only_postgresql_can_hold_stops_nothing(
    postgres_database: str, tmp_path: Path, start: Start
) -> None:
    """A message of no time is not taken, and metadata that cannot be read are left out."""
    eliza = ElizaData([message(number) for number in range(4)])
    await eliza.fill(postgres_database, NAMES_OF_1_7)
    source = postgres_database.replace("+asyncpg", "")
    connection = await asyncpg.connect(source)
    oddities = (
        "created_at = 'infinity'",
        """metadata = '{"n": 1e400}'""",
        "metadata = (repeat('[', 2000) || repeat(']', 2000))::jsonb",
    )
    for number, oddity in enumerate(oddities):
        change = f"UPDATE central_messages SET {oddity} WHERE id = $1"
        await connection.execute(change, message(number)["id"])
    await connection.close()
    data_dir = tmp_path / "data"
    await run("migrate", data_dir=data_dir)
    said = await run("import-eliza", source, data_dir=data_dir)
    assert counts(said)["messages"] == [3, 0, 1]
    assert "created_at" in said
    assert said.count("metadata was left out") == 1  # one line for both
    found = await history(await start(data_dir), GROUP)
    assert [one["id"] for one in found] == [message(number)["id"] for number in (1, 2, 3)]


async def test_people_find_their_channels_again(imported: tuple[Parley, str, Path]) -> None:
    """Whoever took part or wrote takes part; people own what all could change; agents are agents."""
    parley, _, _ = imported
    user = await parley.user(USER)
    found = (await user.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels")).data["channels"]
    assert {channel["id"] for channel in found} >= {GROUP, DM, SESSION}
    there = (await user.get(f"{API}/channels/{GROUP}/participants")).data
    members = there["participants"] if isinstance(there, dict) else there
    roles = {one["userId"]: (one["role"], one["kind"]) for one in members}
    assert roles == {
        USER: ("owner", "user"), AGENT: ("member", "agent"), OTHER_AGENT: ("member", "agent"),
    }  # fmt: skip
    query = {"currentUserId": USER, "targetUserId": AGENT}
    assert (await user.get(f"{API}/dm-channel", **query)).data["id"] == DM
    thread = (await user.get(f"{API}/messages/{message(0)['id']}/thread")).data
    assert [one["id"] for one in thread["messages"]] == [message(1)["id"]]


async def test_who_was_away_is_sent_what_was_copied(postgres_database: str, tmp_path: Path) -> None:
    """It is in the log, in order, for clients that come back."""
    data_dir = tmp_path / "data"
    eliza = ElizaData([message(number) for number in range(20)])
    await eliza.fill(postgres_database, NAMES_OF_1_7)
    async with running_parley(data_dir) as parley:
        cursor = (await parley.service.get(EVENTS, wait=0)).data["cursor"]
        key = parley.service_key
    await run("import-eliza", postgres_database.replace("+asyncpg", ""), data_dir=data_dir)
    async with running_parley(data_dir) as parley:
        told = (await parley.bearer(key).get(EVENTS, wait=0, after=cursor, limit=500)).data["events"]
    messages = [event["data"]["id"] for event in told if event["event"] == "message"]
    assert messages == [one["id"] for one in eliza.messages]


async def test_it_goes_into_postgresql_as_well(
    postgres_server: Postgres, postgres_database: str, tmp_path: Path
) -> None:
    """From one database into another; what it finds there is whole."""
    await ElizaData([message(number) for number in range(1_200)]).fill(postgres_database, NAMES_OF_1_7)
    source = postgres_database.replace("+asyncpg", "")
    postgres_server.execute("CREATE DATABASE moved")
    target = {
        "data_dir": tmp_path,
        "DATABASE_URL": postgres_server.url("moved", "postgresql") + "?sslmode=disable",
    }
    await run("migrate", **target)
    first, second = [counts(await run("import-eliza", source, **target)) for _ in range(2)]
    assert (first["messages"], second["messages"]) == ([1_200, 0, 0], [0, 1_200, 0])
    assert "without holes" in await run("check", **target)
    postgres_server.execute("DROP DATABASE moved WITH (FORCE)")


async def test_what_was_deleted_since_stays_deleted(postgres_database: str, tmp_path: Path) -> None:
    """A message that is gone is there already, and a channel that is gone is not made again."""
    data_dir = tmp_path / "data"
    eliza = ElizaData([message(0), message(1), message(2, channel_id=DM)])
    await eliza.fill(postgres_database, NAMES_OF_1_7)
    source = postgres_database.replace("+asyncpg", "")
    await run("migrate", data_dir=data_dir)
    await run("import-eliza", source, data_dir=data_dir)
    async with running_parley(data_dir) as parley:
        key = parley.service_key
        assert (await parley.service.delete_message(message(0)["id"])).status == 200
        assert (await parley.service.delete(f"{API}/channels/{DM}")).status == 204
    again = counts(await run("import-eliza", source, data_dir=data_dir))
    assert (again["channels"], again["messages"]) == ([0, 2, 1], [0, 2, 1])
    async with running_parley(data_dir) as parley:
        assert await parley.bearer(key).texts(GROUP) == ["message 1"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("mysql://host/db", "must be postgresql://"),
        ("eliza.db", "must be postgresql://"),
        ("postgresql://host/db?channel_binding=require", "has the parameter 'channel_binding'"),
    ],
)
async def test_a_source_that_is_none_is_a_sentence(tmp_path: Path, source: str, sentence: str) -> None:
    """Nothing is touched."""
    data_dir = tmp_path / "data"
    await run("migrate", data_dir=data_dir)
    code, said = await run_parley("import-eliza", source, "--data-dir", str(data_dir))
    assert (code, said.count("\n")) == (1, 1)
    assert sentence in said


async def test_a_server_that_is_no_elizaos_is_a_sentence(tmp_path: Path) -> None:
    """It has none of the paths."""
    data_dir = tmp_path / "data"
    await run("migrate", data_dir=data_dir)
    async with eliza_api(ElizaData([])) as url:
        code, said = await run_parley("import-eliza", f"{url}/elsewhere", "--data-dir", str(data_dir))
    assert (code, said.count("\n")) == (1, 1)
    assert "answered 404" in said


async def test_a_database_without_elizas_tables_is_a_sentence(postgres_database: str, tmp_path: Path) -> None:
    """So is one that is not there; neither tells the password."""
    data_dir = tmp_path / "data"
    await run("migrate", data_dir=data_dir)
    source = postgres_database.replace("+asyncpg", "").replace("postgres@", "postgres:hush@")
    for address, sentence in ((source, "no tables of elizaOS"), (f"{source}-gone", "cannot be read")):
        code, said = await run_parley("import-eliza", address, "--data-dir", str(data_dir))
        assert code == 1
        assert sentence in said
        assert "hush" not in said


async def test_a_parley_that_runs_is_not_written_to(parley: Parley) -> None:
    """Its clients would not hear of what comes beside it."""
    code, said = await run_parley(
        "import-eliza", "postgresql://nowhere/x", "--data-dir", str(parley.data_dir)
    )
    assert (code, "Another Parley serves" in said) == (1, True)
