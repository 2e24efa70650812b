"""Coming back when the log is in PostgreSQL: the same promises, through the same statements."""

from collections.abc import AsyncIterator

import pytest

from rooms import retention
from rooms.principals import Kind
from rooms.retention import Retention
from tests.following import following
from tests.rest import API
from tests.returning import DURABLE, Returner
from tests.running import Parley, Start


@pytest.fixture
async def parley(migrated_postgres: str, start: Start) -> Parley:
    """Run a node on an empty PostgreSQL database."""
    return await start(database_url=migrated_postgres)


@pytest.fixture
async def ben(parley: Parley) -> AsyncIterator[Returner]:
    """Connect a user."""
    client = Returner(parley.url, {"token": await parley.key(Kind.USER, "ben")})
    await client.connect()
    yield client
    await client.close()


async def test_what_was_missed_comes_as_it_is_now(
    parley: Parley, ben: Returner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the log itself: edited, deleted, left and joined channels, page by page."""
    service = parley.service
    stays, goes, comes = [await service.new_channel(name, "ann") for name in ("stays", "goes", "comes")]
    for channel_id in (stays, goes):
        await service.add(channel_id, "ben")
    await ben.hears("participant_joined", 2)
    await ben.drop()
    said = [(await service.submit(stays, f"message {n}", author_id="ann")).data["id"] for n in range(20)]
    await service.request("PATCH", f"{API}/messages/{said[0]}", json={"content": "as it is"})
    await service.delete(f"{API}/messages/{said[1]}")
    await service.remove(goes, "ben")
    await service.submit(goes, "not for ben", author_id="ann")
    await service.submit(comes, "not yet for ben", author_id="ann")
    await service.add(comes, "ben")
    monkeypatch.setattr("rooms.replay.PAGE_ENTRIES", 7)
    monkeypatch.setattr(parley.node.ctx.tail, "read", lambda *_arguments: None)
    await ben.connect()
    await ben.hears("participant_joined", 3)
    kinds = [heard.name for heard in ben.heard if heard.name in DURABLE][2:]
    rest = ["message_updated", "message_deleted", "participant_left", "participant_joined"]
    assert (kinds, ben.recovered) == (["message"] * 20 + rest, True)
    texts = [message.get("text") for message in ben.all("message")]
    assert texts == ["as it is", None, *(f"message {n}" for n in range(2, 20))]


async def test_rooms_are_found_again_and_what_is_pruned_is_not_replayed_in_part(parley: Parley) -> None:
    """A service comes back to the channel that it joined, and after too long begins anew; a stream, too."""
    channel_id = await parley.service.new_channel("talk", "ann")
    service = Returner(parley.url, {"token": parley.service_key})
    await service.connect()
    await service.data("join", {"channel_id": channel_id})
    for expected in ("one", "two"):
        await service.drop()
        await parley.service.submit(channel_id, expected, author_id="ann")
        await service.connect()
        await service.hears("message", 1 if expected == "one" else 2)
    offset = service.offset
    await service.drop()
    for n in range(5):
        await parley.service.submit(channel_id, str(n), author_id="ann")
    async for _ in retention.forget(parley.node.ctx, Retention(days=0, events=2)):
        pass
    await service.connect()
    (told,) = await service.hears("resync_required")
    assert (told["reason"], service.texts()) == ("retention", ["one", "two"])
    await service.close()
    async with following(parley.service, offset) as stream:
        (block,) = await stream.wait_for("resync_required")
    assert block.data["reason"] == "retention"
