"""What elizaOS's own server has stored is taken over, and reads as it did."""

import asyncio
import re
import uuid
from pathlib import Path
from typing import Any

import asyncpg

from rooms.rules import DEFAULT_SERVER_ID
from tests.compat.elizaos_server import ADA, BOB, Eliza, elizaos
from tests.eliza_database import NAMES_OF_1_7, ElizaData
from tests.rest import API
from tests.running import Parley, Start, run_parley
from tests.services import Postgres

KIM, LEE = (f"0000001{number}-0000-4000-8000-000000000000" for number in (1, 2))
MANY = 510  # more than the import asks for at once
AT_ONCE = 8
REFUSED = ("z" * 5_000, "bell \x07")
KEPT = ("authorId", "content", "rawMessage", "sourceType", "inReplyToRootMessageId", "createdAt", "updatedAt")


async def talk(eliza: Eliza) -> dict[str, str]:
    """Have people and agents talk, and return the ids of the channels by what is special there."""
    group = await eliza.channel("Talk about it", KIM, ADA, BOB, metadata={"source": "client_group_chat"})
    dm = (await eliza.data("GET", "/dm-channel", currentUserId=KIM, targetUserId=ADA))["id"]
    server = {"name": "Elsewhere ü", "sourceType": "discord", "sourceId": "guild", "metadata": {"a": [1]}}
    other = (await eliza.data("POST", "/message-servers", server))["server"]["id"]
    elsewhere = await eliza.channel("over there", LEE, message_server_id=other, type="SOMETHING")
    named = await eliza.channel("x" * 300, KIM, metadata=None)
    gone = await eliza.channel("to be deleted", KIM)
    made_up = str(uuid.uuid4())

    asked = await eliza.submit(group, KIM, "日本語 💬 e\u0301 \u202e")
    thoughts = {"thought": "hm", "actions": ["REPLY"]}
    await eliza.submit(group, ADA, "y" * 6_000, in_reply_to_message_id=asked, raw_message=thoughts)
    deleted = await eliza.submit(group, KIM, "never mind")
    await eliza.submit(group, BOB, "to what is gone", in_reply_to_message_id=deleted)
    await eliza.data("DELETE", f"/channels/{group}/messages/{deleted}")
    action = {"author_id": ADA, "content": "Looking", "source_type": "agent_action", "raw_message": {}}
    body = {"channel_id": group, "message_server_id": DEFAULT_SERVER_ID} | action
    message_id = (await eliza.data("POST", "/action", body))["id"]
    found = {"content": "Found", "raw_message": {"actionStatus": "completed"}}
    await eliza.data("PATCH", f"/action/{message_id}", found)
    for channel_id in (dm, named, elsewhere, gone):
        await eliza.submit(channel_id, LEE if channel_id == elsewhere else KIM, f"in {channel_id}")
    await eliza.data("DELETE", f"/channels/{gone}")
    first = {
        "author_id": LEE,
        "content": "hello?",
        "message_server_id": DEFAULT_SERVER_ID,
        "metadata": {"isDm": True, "targetUserId": BOB, "channelType": "DM"},
    }
    assert (await eliza.client.post(f"{API}/channels/{made_up}/messages", first)).status == 201
    for refused in REFUSED:
        await eliza.submit(group, KIM, refused)

    gate = asyncio.Semaphore(AT_ONCE)

    async def say(number: int) -> None:
        async with gate:
            await eliza.submit(group, [KIM, ADA, BOB][number % 3], f"message {number}")

    await asyncio.gather(*map(say, range(MANY)))
    return {"group": group, "dm": dm, "named": named, "elsewhere": elsewhere, "made up": made_up}


async def take_over(source: str, data_dir: Path) -> list[list[int]]:
    """Import twice, and return each time what was added, was there already, and was not taken."""
    told = []
    for command in (("migrate",), ("import-eliza", source), ("import-eliza", source)):
        code, said = await run_parley(*command, "--data-dir", str(data_dir))
        assert code == 0, said
        counts = re.search(r"^ *messages +(\d+) +(\d+) +(\d+) *$", said, re.MULTILINE)
        told += [[int(number) for number in counts.groups()]] if counts else []
    return told


async def assert_equal(eliza: Eliza, parley: Parley, channels: dict[str, str]) -> None:
    """Check that whoever reads the channels, in elizaOS's words, reads the same in both."""
    copy = Eliza(parley.api_key(parley.service_key))
    for name, channel_id in channels.items():
        theirs, ours = [await one.data("GET", f"/channels/{channel_id}/details") for one in (eliza, copy)]
        fields = ["id", "messageServerId", "type", "createdAt", *(["name"] if name != "named" else [])]
        assert [ours[field] for field in fields] == [theirs[field] for field in fields]
        assert ours["metadata"].items() >= theirs["metadata"].items()
        present, were = [
            set(await one.data("GET", f"/channels/{channel_id}/participants")) for one in (copy, eliza)
        ]
        assert present >= were
        assert_all_is_there(await eliza.history(channel_id), await copy.history(channel_id))


def assert_all_is_there(originals: list[dict[str, Any]], copies: list[dict[str, Any]]) -> None:
    """Check that all messages but those that break a rule were copied, in the order of their time."""
    taken = {one["id"]: {"rawMessage": {}} | one for one in originals if one["content"] not in REFUSED}
    assert {one["id"] for one in copies} == taken.keys()
    times = [one["created_at"] for one in copies]
    assert times == sorted(times, reverse=True)
    for copy in copies:
        original = taken[copy["id"]]
        assert [copy[field] for field in KEPT] == [original.get(field) for field in KEPT]
        assert copy["metadata"].items() >= original["metadata"].items()


async def test_what_it_keeps_in_pglite_is_taken_over_by_its_api(tmp_path: Path, start: Start) -> None:
    """Twice, once; and reads as it did."""
    async with elizaos(tmp_path) as eliza:
        channels = await talk(eliza)
        added, again = await take_over(eliza.client.url, tmp_path / "data")
        assert (added[1:], again) == ([0, 2], [0, added[0], 2])
        await assert_equal(eliza, await start(), channels)


async def test_what_it_keeps_in_postgresql_is_taken_over_in_both_ways(
    postgres_database: str, postgres_server: Postgres, tmp_path: Path, start: Start
) -> None:
    """Out of its tables and by its API; and the tables are those that quicker tests make up."""
    source = postgres_database.replace("+asyncpg", "")
    async with elizaos(tmp_path, source) as eliza:
        channels = await talk(eliza)
        for number, way in enumerate((source, eliza.client.url)):
            data_dir = tmp_path / f"data-{number}"
            added, again = await take_over(way, data_dir)
            assert (added[1:], again) == ([0, 2], [0, added[0], 2])
            await assert_equal(eliza, await start(data_dir), channels)
    postgres_server.execute("CREATE DATABASE made_up")
    made_up = postgres_server.url("made_up")
    await ElizaData().fill(made_up, NAMES_OF_1_7)
    real, invented = [await columns(url) for url in (source, made_up.replace("+asyncpg", ""))]
    postgres_server.execute("DROP DATABASE made_up WITH (FORCE)")
    assert invented <= real


async def columns(url: str) -> set[tuple[str, ...]]:
    """Return the columns of a database's tables, with what may be in them."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch(
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public'"
    )
    await connection.close()
    return {tuple(row) for row in found}
