"""Each field of each body gone wrong, and each thing of others': refused, and nothing comes of it.

Each test goes through the whole route table, so that a new route is held to the same from its first day.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from handlers.http import Route
from rooms import store
from rooms.rules import DEFAULT_SERVER_ID
from tests.api.samples import BODIES, PRIVATE, WITH_BODY, World, name, new_world
from tests.rest import Reply, Rest
from tests.running import Parley

WRONG: list[Any] = [
    None,
    5,
    -1.5,
    True,
    [],
    [["x"]],
    {},
    {"x": {"y": "z"}},
    "",
    " ",
    "a\0b",
    "x" * 300_000,
    "11111111-2222-3333-4444-555555555555",
]
REFUSED = {400, 401, 403, 404, 409, 413}
ONLY_SHOWN = {"POST /api/memory/groups/{server_id}"}  # where it is there to be seen


@pytest.fixture
async def world(parley: Parley) -> World:
    """Give what the samples refer to."""
    return await new_world(parley)


async def newest(parley: Parley) -> int:
    """Return the seq of the default server's newest event."""
    database = parley.node.ctx.database
    found = await database.read(lambda connection: store.servers.find(connection, [DEFAULT_SERVER_ID]))
    return found[DEFAULT_SERVER_ID].seq


async def send(world: World, client: Rest, route: Route, body: Any) -> Reply:
    """Send this body where the route's sample goes, and check that a refusal has left nothing behind."""
    before = await newest(world.parley)
    reply = await client.request(route.method, world.path(route), json=body)
    if reply.status >= 300:
        assert reply.refusal[0] in REFUSED, (name(route), str(body)[:200], reply.raw)
        assert await newest(world.parley) == before, (name(route), str(body)[:200])
    return reply


def bent(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the body with each of its fields missing, and each of them holding each wrong value."""
    for field in body:
        yield {other: value for other, value in body.items() if other != field}
        for value in WRONG:
            yield {**body, field: value}


def fields(route: Route) -> dict[str, FieldInfo]:
    """Return what the route's schema knows of."""
    assert route.body is not None
    return route.body.model_fields


async def sample(world: World, route: Route) -> dict[str, Any]:
    """Return a body that the route takes."""
    return await BODIES[route.method, route.path](world)


async def test_a_wrong_field_is_refused_or_passed_over(world: World) -> None:
    """Missing, of another type, out of bounds, or naming what is not there: no failure of the server."""
    for route in WITH_BODY:
        for body in bent(await sample(world, route)):
            await send(world, world.parley.service, route, body)


async def test_a_required_field_is_required(world: World) -> None:
    """A body without what its schema asks for is 400, and the refusal names the field."""
    for route in WITH_BODY:
        body = await sample(world, route)
        for field in [field for field, about in fields(route).items() if about.is_required()]:
            without = {other: value for other, value in body.items() if other != field}
            reply = await send(world, world.parley.service, route, without)
            assert reply.refusal == (400, "VALIDATION_ERROR"), (name(route), field)
            assert f"'{field}'" in reply.error["details"], (name(route), field)


async def test_no_text_is_taken_at_any_length(world: World) -> None:
    """Whatever is a text has a longest form."""
    for route in WITH_BODY:
        body = await sample(world, route)
        for field in [field for field in fields(route) if isinstance(body.get(field), str)]:
            reply = await send(world, world.parley.service, route, {**body, field: "x" * 300_000})
            assert reply.status in REFUSED, (name(route), field)


async def test_what_is_others_is_out_of_reach(world: World) -> None:
    """Somebody who takes part in nothing changes nothing that a path can name."""
    stranger = await world.parley.user("eve")
    for route in [route for route in PRIVATE if "_id}" in route.path]:
        body = await sample(world, route) if route.body else None
        before = await newest(world.parley)
        reply = await stranger.request(route.method, world.path(route), json=body)
        only_shows = route.method == "GET" or name(route) in ONLY_SHOWN
        is_shown = only_shows and reply.status in (200, 201)
        assert is_shown or reply.status in (403, 404), (name(route), reply.raw)
        assert await newest(world.parley) == before, name(route)
