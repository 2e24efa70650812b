"""What ``parley check`` finds: nothing in a sound database, and each kind of damage in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from rooms import checks, retention, servers
from rooms.database import Database
from rooms.retention import Retention
from rooms.rules import DEFAULT_SERVER_ID
from rooms.servers import ServerDraft
from tests.running import run_parley
from tests.unit.journaling import SERVICE, World, opened, running

OTHER = "11111111-0000-4000-8000-000000000000"
LOSE_EVENT = "DELETE FROM events WHERE seq ="

# What is done to a log of eight events, of which the first two are forgotten and the last seven are
# messages, and one of the sentences that are said of it.
DAMAGE = [
    (f"{LOSE_EVENT} 5", "Its log should hold the events 3 to 8, and holds 5, from 3 to 8"),
    (f"{LOSE_EVENT} 3", "Its log should hold the events 3 to 8, and holds 5, from 4 to 8"),
    (f"{LOSE_EVENT} 8", "Its log should hold the events 3 to 8, and holds 5, from 3 to 7"),
    ("DELETE FROM events", "Its log should hold the events 3 to 8, and holds none"),
    (f"{LOSE_EVENT} 5", "Messages that have lost their event in its log: 1"),
    (
        "UPDATE events SET message_id = NULL WHERE seq = 6",
        "Messages that have lost their event in its log: 1",
    ),
    ("DELETE FROM messages WHERE seq = 6", "Events in its log that have lost their message: 1"),
    ("UPDATE servers SET floor_seq = 9", "Its events are forgotten up to 9, and it stands at 8"),
    ("UPDATE servers SET floor_seq = 0", "Its log should hold the events 1 to 8, and holds 6, from 3 to 8"),
    ("UPDATE servers SET seq = 7", "Its log should hold the events 3 to 7, and holds 6, from 3 to 8"),
    ("UPDATE channels SET seq = 7", "Channel CHANNEL stands at 7, and its newest event is 8"),
    (f"{LOSE_EVENT} 8", "Channel CHANNEL stands at 8, and its newest event is 7"),
    ("DELETE FROM events", "Channel CHANNEL stands at 8, and has no event"),
    ("UPDATE channels SET message_count = 5", "Channel CHANNEL counts 5 messages, and has 7"),
    ("UPDATE messages SET deleted_at = 1 WHERE seq = 8", "Channel CHANNEL counts 7 messages, and has 6"),
]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a log of eight events, without the first two."""
    async with running(database) as world:
        for number in range(6):
            await world.submit(f"message {number}")
        assert [forgotten async for forgotten in retention.forget(world.ctx, Retention(events=6))] == [2]
        yield world


async def faults(world: World) -> list[str]:
    """Return what is wrong with the one log."""
    (finding,) = await world.database.inner.read(checks.examine)
    assert finding.log.server_id == DEFAULT_SERVER_ID
    return finding.faults


async def damage(world: World, statement: str) -> None:
    """Run a statement that nobody should."""
    await world.database.inner.write(lambda connection: connection.execute(text(statement)))


async def test_a_log_that_begins_at_its_floor_is_sound(world: World) -> None:
    """Messages outlive their events."""
    assert await faults(world) == []


async def test_a_deleted_message_counts_no_more(world: World) -> None:
    """Its row stays where its event needs it."""
    await damage(world, "UPDATE messages SET deleted_at = 1 WHERE seq IN (2, 5)")
    await damage(world, "UPDATE channels SET message_count = 5")
    assert await faults(world) == []


async def test_a_channel_without_events_stands_at_one_that_is_forgotten(world: World) -> None:
    """A quiet channel is sound when all its events are gone with their time."""
    await damage(world, "UPDATE servers SET floor_seq = 8")
    await damage(world, "DELETE FROM events")
    assert await faults(world) == []


@pytest.mark.parametrize(("statement", "sentence"), DAMAGE, ids=[statement for statement, _ in DAMAGE])
async def test_each_damage_is_told_in_words(world: World, statement: str, sentence: str) -> None:
    """What is wrong is named with its numbers."""
    await damage(world, statement)
    assert sentence.replace("CHANNEL", world.channel_id) in await faults(world)


async def test_damage_is_told_of_the_server_that_has_it(world: World) -> None:
    """Another log is sound beside it."""
    await servers.create(world.ctx, SERVICE, ServerDraft("sound", id=OTHER))
    await damage(world, f"{LOSE_EVENT} 5")
    findings = await world.database.inner.read(checks.examine)
    told = {finding.log.server_id: bool(finding.faults) for finding in findings}
    assert told == {DEFAULT_SERVER_ID: True, OTHER: False}


async def test_the_command_prints_every_fault_and_exits_with_1(tmp_path: Path) -> None:
    """A script can rely on the exit code, and a person on the sentences."""
    data_dir = tmp_path / "data"
    command = ("check", "--data-dir", str(data_dir))
    async with opened(f"sqlite:///{data_dir / 'parley.db'}") as database, running(database) as world:
        sound = f"server {DEFAULT_SERVER_ID}: 2 events, 1..2 without holes\n"
        assert await run_parley(*command) == (0, sound)
        await damage(world, f"{LOSE_EVENT} 2")
    code, said = await run_parley(*command)
    assert code == 1
    assert said.splitlines()[0] == f"server {DEFAULT_SERVER_ID}: DAMAGED"
    assert "  Its log should hold the events 1 to 2, and holds 1, from 1 to 1" in said.splitlines()
    assert len(said.splitlines()) == 4
