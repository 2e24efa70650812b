"""What elizaOS's server does and Parley does not is refused in a sentence, and changes nothing."""

import pytest

from handlers.envelope import STATUS
from handlers.http import Route
from handlers.refused_routes import REFUSED_ROUTES
from rooms.errors import NotOffered, PermissionDenied
from tests.api.samples import name
from tests.running import Parley

CODES = {STATUS[error]: error.code for error in (NotOffered, PermissionDenied)}


@pytest.mark.parametrize("route", REFUSED_ROUTES, ids=name)
async def test_it_is_refused_in_a_sentence(parley: Parley, route: Route) -> None:
    """Whatever is sent along; whoever has no credential is told nothing but that."""
    path = route.path.format(agent_id="bot", log_id="x", server_id="x")
    reply = await parley.service.request(route.method, path, data=b"\xff" * 1_000)
    assert reply.refusal == (route.status, CODES[route.status])
    assert reply.error["details"] == route.summary
    assert (await parley.anonymous.request(route.method, path)).refusal == (401, "AUTHENTICATION_FAILED")


async def test_the_server_goes_on_after_a_wish_that_it_should_stop(parley: Parley) -> None:
    """No credential is good enough for that."""
    await parley.service.post("/api/server/stop")
    assert (await parley.anonymous.get("/readyz")).status == 200
