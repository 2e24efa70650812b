"""Every route answers what its schema says, in both dialects."""

import re
from typing import Any

import pytest

from handlers import character_wire, memory_wire, run_summary_wire, world_wire
from handlers.routes import ALL_ROUTES
from handlers.run_wire import Envelope, Inbox
from tests.api.samples import BODIES, WITH_BODY, name, new_world
from tests.rest import API, Rest
from tests.running import Parley

NOWHERE = "dddddddd-0000-4000-8000-00000000dead"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(params=["documented", "eliza"])
def client(request: pytest.FixtureRequest, parley: Parley) -> Rest:
    """Give a client with every right, in each dialect."""
    return parley.service if request.param == "documented" else parley.service.in_elizas_dialect()


def times(value: Any) -> list[tuple[str, Any]]:
    """Return every field of the answer that holds a time, at any depth."""
    if isinstance(value, list):
        return [found for item in value for found in times(item)]
    if not isinstance(value, dict):
        return []
    own = [(key, item) for key, item in value.items() if re.search(r"(At|_at)$", key)]
    return own + [found for item in value.values() for found in times(item)]


def is_well_written(key: str, moment: Any, *, in_seconds: bool) -> bool:
    """Tell whether a time has the form that its field's name and the dialect ask for."""
    if key.endswith("_at"):
        return type(moment) is int and moment > 10**12
    if in_seconds:
        return type(moment) is int and 10**9 < moment < 10**10
    return isinstance(moment, str) and ISO.fullmatch(moment) is not None


# What elizaOS's clients alone read, and have numbers in.
IN_MILLISECONDS = (
    character_wire.Agent,
    character_wire.CreatedAgent,
    run_summary_wire.Summaries,
    run_summary_wire.Detail,
    run_summary_wire.Entries,
    world_wire.Worlds,
    world_wire.JoinedWorld,
    world_wire.ChangedWorld,
    world_wire.EnsuredWorld,
    memory_wire.Memories,
    memory_wire.ChangedMemory,
    memory_wire.Rooms,
    memory_wire.Room,
)


def test_every_route_with_a_body_has_a_sample() -> None:
    """A new route comes with a request that shows how it succeeds."""
    assert set(BODIES) == {(route.method, route.path) for route in WITH_BODY}


def test_the_table_has_every_route_once() -> None:
    """No method and path stand in the table twice."""
    assert len({name(route) for route in ALL_ROUTES}) == len(ALL_ROUTES)


async def test_an_answer_has_the_form_that_its_route_documents(parley: Parley, client: Rest) -> None:
    """The status is the documented one and ``data`` is valid to the letter."""
    world = await new_world(parley)
    for route in ALL_ROUTES:
        reply = await world.request(client, route)
        assert reply.status == route.status, name(route)
        if route.answer is None:
            assert (reply.status, reply.raw) == (204, b""), name(route)
            continue
        assert route.is_bare or set(reply.body) == {"success", "data"}, name(route)
        answer = reply.body if route.is_bare else reply.data
        route.answer.model_validate(answer, strict=True)


async def test_times_follow_the_dialect(parley: Parley, client: Rest) -> None:
    """Times are epoch seconds for Bearer, ISO 8601 for others, and milliseconds where spelled ``_at``."""
    world = await new_world(parley)
    seen = set()
    for route in ALL_ROUTES:
        reply = await world.request(client, route)
        # An envelope is the same on every door, with its message as an event has it; and what stands
        # alone is for elizaOS's clients.
        is_timed = route.answer not in (None, Envelope, Inbox, *IN_MILLISECONDS) and not route.is_bare
        for key, moment in times(reply.data) if is_timed else ():
            seen.add(key)
            assert is_well_written(key, moment, in_seconds="Authorization" in client.headers), name(route)
    seen -= {"first_at", "last_at"}  # of uses, which are written down in the background
    assert seen == {"createdAt", "created_at", "updatedAt", "updated_at", "joinedAt", "due_at", "expires_at"}


async def test_the_accept_header_never_changes_an_answer(parley: Parley, client: Rest) -> None:
    """Whatever a client accepts, the dialect follows its credential alone."""
    world = await new_world(parley)
    first = await client.history(world.channel_id)
    for accepted in ("text/html", "application/xml", "*/*;q=0"):
        assert (await client.having(Accept=accepted).history(world.channel_id)).raw == first.raw


async def test_participants_are_described_or_named_by_dialect(parley: Parley) -> None:
    """Clients of elizaOS get a list of ids, others get objects, of the same people in the same order."""
    world = await new_world(parley)
    await parley.service.add(world.channel_id, "ben")
    path = f"{API}/channels/{world.channel_id}/participants"
    described = (await parley.service.get(path)).data["participants"]
    assert [participant["userId"] for participant in described] == ["ann", "bot", "ben"]
    assert (await parley.service.in_elizas_dialect().get(path)).data == ["ann", "bot", "ben"]


async def test_elizas_clients_find_what_was_wrong_in_the_message(parley: Parley) -> None:
    """Their page shows nothing else; what says it already is as documented, and so are others' errors."""
    secrets = {"characterJson": {"name": "Ada", "settings": {"secrets": {"KEY": "x"}}}}
    for client, says_it in ((parley.service, False), (parley.service.in_elizas_dialect(), True)):
        error = (await client.post("/api/agents", secrets)).error
        assert "Parley runs no agents" in error["details"]
        assert (error["message"] == error["details"]) is says_it
        assert (await client.get(f"{API}/channels/{NOWHERE}")).error["message"] == "Channel not found"
