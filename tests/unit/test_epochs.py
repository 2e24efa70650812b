"""Epochs: when a log begins a new one, and that it does not otherwise."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from rooms import epochs, servers, store
from rooms.cursors import Cursor
from rooms.database import Database
from rooms.errors import NotFound
from rooms.rules import DEFAULT_SERVER_ID
from rooms.servers import ServerDraft
from rooms.tables import Server
from tests.unit.journaling import SERVICE, World, running

OTHER = "11111111-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Log:
    """The log of the default server, which has a second one beside it."""

    world: World

    async def server(self, server_id: str = DEFAULT_SERVER_ID) -> Server:
        """Return a server as it is stored."""
        found = await self.world.database.inner.read(
            lambda connection: store.servers.find(connection, [server_id])
        )
        return found[server_id]

    async def begin(self, ahead: int, epoch: int | None = None) -> None:
        """Claim to have seen so many events that the log has not."""
        server = await self.server()
        claimed = Cursor(server.id, server.epoch if epoch is None else epoch, server.seq + ahead)
        await epochs.begin_epoch(self.world.ctx, server.id, claimed)


@pytest.fixture
async def log(database: Database) -> AsyncIterator[Log]:
    """Give a log of two events on each kind of database."""
    async with running(database) as world:
        await servers.create(world.ctx, SERVICE, ServerDraft("other", id=OTHER))
        yield Log(world)


async def test_a_log_that_has_lost_its_end_begins_a_new_epoch(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on where it stands, it is said loudly, and the other logs keep theirs."""
    before, other = await log.server(), await log.server(OTHER)
    await log.begin(ahead=1)
    after = await log.server()
    assert after.epoch != before.epoch
    assert (after.seq, after.floor_seq) == (before.seq, before.floor_seq)
    assert await log.server(OTHER) == other
    (record,) = [record for record in caplog.records if record.name == "parley.epochs"]
    assert record.levelname == "ERROR"
    assert f"the log of server {before.id} has lost its end" in record.getMessage()


@pytest.mark.parametrize(("ahead", "epoch"), [(0, None), (-1, None), (5, 7)])
async def test_a_position_that_proves_nothing_changes_nothing(
    log: Log, ahead: int, epoch: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The end itself, what lies before it, and a position in another epoch are no reason."""
    before = await log.server()
    await log.begin(ahead, epoch)
    assert await log.server() == before
    assert [record for record in caplog.records if record.name == "parley.epochs"] == []


async def test_many_who_have_seen_more_begin_one_epoch(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """All clients that come back after the loss prove the same; only the first one is heard."""
    server = await log.server()
    claims = [Cursor(server.id, server.epoch, server.seq + ahead) for ahead in (1, 2, 3)]
    await asyncio.gather(*(epochs.begin_epoch(log.world.ctx, server.id, claimed) for claimed in claims))
    assert len([record for record in caplog.records if record.name == "parley.epochs"]) == 1


async def test_what_is_committed_together_with_the_claim_counts(log: Log) -> None:
    """A message in the same transaction brings the log to where the cursor is: nothing was lost."""
    before = await log.server()
    async with log.world.database.held() as held:
        first = log.world.submit("holds the writer")
        await held.wait()
        second = log.world.submit("goes before the claim")
        await asyncio.sleep(0)
        claimed = Cursor(before.id, before.epoch, before.seq + 2)
        claim = asyncio.create_task(epochs.begin_epoch(log.world.ctx, before.id, claimed))
        await asyncio.sleep(0)
        assert log.world.journal.waiting == 2
    await asyncio.gather(first, second, claim)
    assert (await log.server()).epoch == before.epoch


async def test_a_cursor_of_another_server_is_no_claim(log: Log) -> None:
    """What is claimed of a log is judged under that log's lock, or not at all."""
    other = await log.server(OTHER)
    with pytest.raises(NotFound):
        await epochs.begin_epoch(log.world.ctx, DEFAULT_SERVER_ID, Cursor(OTHER, other.epoch, 9))
    assert await log.server(OTHER) == other


async def test_after_a_restore_every_log_begins_a_new_epoch(log: Log) -> None:
    """No cursor from before holds in any of them."""
    before = [await log.server(), await log.server(OTHER)]
    assert await log.world.database.inner.write(epochs.renew_all) == 2
    after = [await log.server(), await log.server(OTHER)]
    assert all(old.epoch != new.epoch for old, new in zip(before, after, strict=True))


async def test_a_new_epoch_is_never_the_old_one(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance may repeat itself; the epoch does not."""
    before = await log.server()
    numbers = iter([before.epoch, before.epoch, 17])
    monkeypatch.setattr(secrets, "randbits", lambda _bits: next(numbers))
    await log.begin(ahead=1)
    assert (await log.server()).epoch == 17
