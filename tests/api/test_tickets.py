"""Tickets: what begins a stream of events where no header can carry a credential, and nothing else."""

import asyncio
import logging

import pytest

from handlers.routes import ALL_ROUTES
from rooms.cursors import CursorSigner
from rooms.tickets import TICKET_SECONDS
from tests.api.samples import PRIVATE, new_world
from tests.api.test_tokens import SECRET, signed
from tests.following import EVENTS, following, poll, say, texts
from tests.rest import Rest
from tests.running import Parley, Start

UNAUTHORIZED = (401, "AUTHENTICATION_FAILED")


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users."""
    return await parley.service.new_channel("talk", "ann", "ben")


@pytest.fixture
async def ann(parley: Parley, channel_id: str) -> Rest:
    """Give a client of the channel's first user."""
    return await parley.user("ann")


async def ticket_of(client: Rest) -> str:
    """Return a new ticket."""
    reply = await client.request("POST", f"{EVENTS}/ticket")
    assert (reply.status, reply.data["expires_in"]) == (201, TICKET_SECONDS)
    ticket: str = reply.data["ticket"]
    return ticket


async def test_a_ticket_shows_what_its_principal_may_see(parley: Parley, ann: Rest, channel_id: str) -> None:
    """A stream and a poll begin without a header, and more than once."""
    hidden = await parley.service.new_channel("hidden", "ben")
    ticket = await ticket_of(ann)
    for _ in range(2):
        after = (await poll(parley.anonymous, ticket=ticket))["cursor"]
        async with following(parley.anonymous, ticket=ticket) as stream:
            assert stream.told[1].data["principal"] == {"id": "ann", "kind": "user"}
            await say(parley, hidden, "hidden")
            await say(parley, channel_id, "hello")
            await stream.hear("hello")
        assert texts(await poll(parley.anonymous, after, ticket=ticket)) == ["hello"]
    assert (await parley.anonymous.get(EVENTS, wait=0, ticket=ticket, channel_id=hidden)).status == 404


async def test_a_ticket_carries_the_rights_of_a_service(parley: Parley, channel_id: str) -> None:
    """Also of one that acts as somebody else."""
    for client, name in ((parley.service, None), (parley.service.having(X_Entity_Id="zoe"), "zoe")):
        async with following(parley.anonymous, ticket=await ticket_of(client)) as stream:
            assert name in (None, stream.told[1].data["principal"]["id"])
            await say(parley, channel_id, "hello")
            await stream.hear("hello")


async def test_a_ticket_is_good_for_ten_minutes(parley: Parley, ann: Rest) -> None:
    """It begins nothing afterwards; what it has begun goes on."""
    ticket = await ticket_of(ann)
    parley.pass_time(TICKET_SECONDS / 2)
    async with following(parley.anonymous, ticket=ticket):
        parley.pass_time(TICKET_SECONDS / 2)
        assert (await parley.anonymous.get(EVENTS, ticket=ticket)).refusal == UNAUTHORIZED
        assert (await parley.anonymous.get(EVENTS, ticket=ticket, wait=0)).refusal == UNAUTHORIZED


async def test_a_ticket_dies_with_its_key(parley: Parley, ann: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins nothing any more, and what it has begun ends."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    ticket = await ticket_of(ann)
    async with following(parley.anonymous, ticket=ticket) as stream:
        await parley.revoke(ann)
        await stream.end()
    assert (await parley.anonymous.get(EVENTS, ticket=ticket)).refusal == UNAUTHORIZED


async def test_a_ticket_and_a_stream_die_with_their_token(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a JWT has begun, with a ticket or without one, ends when it expires."""
    monkeypatch.setattr("handlers.sse.BEAT_SECONDS", 0.05)
    parley = await start(jwt_secret=SECRET)
    client = parley.bearer(signed({}))
    ticket = await ticket_of(client)
    async with following(client) as one, following(parley.anonymous, ticket=ticket) as other:
        parley.pass_time(90)
        await asyncio.gather(one.end(), other.end())
    assert (await parley.anonymous.get(EVENTS, ticket=ticket)).refusal == UNAUTHORIZED


async def test_a_ticket_is_good_for_nothing_else(parley: Parley, ann: Rest) -> None:
    """No other route takes it, neither in the query nor as a credential; least of all for another ticket."""
    ticket = await ticket_of(ann)
    world = await new_world(parley)
    others = [route for route in PRIVATE if not route.follows]
    assert len(others) == len(PRIVATE) - 2 < len(ALL_ROUTES)
    for route in others:
        path = world.path(route)
        for client in (parley.anonymous, parley.bearer(ticket), parley.api_key(ticket)):
            reply = await client.request(route.method, path, params={"ticket": ticket})
            assert (path, reply.refusal) == (path, UNAUTHORIZED)


async def test_a_ticket_that_was_not_issued_begins_nothing(
    parley: Parley, ann: Rest, caplog: pytest.LogCaptureFixture
) -> None:
    """Changed, truncated, of another deployment, or a cursor; and no ticket is ever in the log."""
    caplog.set_level(logging.DEBUG)
    ticket, cursor = await ticket_of(ann), (await poll(ann))["cursor"]
    foreign = CursorSigner(b"another secret").write_ticket(parley.node.ctx.cursors.read_ticket(ticket))
    forged = ("A" if ticket[0] != "A" else "B") + ticket[1:]
    for bad in (forged, ticket[:-1], ticket[1:], foreign, cursor, "", "caf\u00e9", "x" * 4_000):
        for more in ({}, {"wait": 0}):
            assert (await ann.get(EVENTS, ticket=bad, **more)).refusal == UNAUTHORIZED
    assert (await parley.anonymous.get(EVENTS, ticket=ticket, server_id="x")).status == 404
    assert "RESOURCE_NOT_FOUND" in caplog.text
    for secret in (ticket, forged, foreign):
        assert secret[:40] not in caplog.text
