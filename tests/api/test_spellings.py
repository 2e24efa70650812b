"""Other spellings of a path lead to the same; those that clients should leave behind say so."""

import re

from handlers.endpoint import DEPRECATED
from handlers.routes import ALL_ROUTES
from tests.api.samples import name, new_world, spellings
from tests.rest import API
from tests.running import Parley

CHANNEL = "aaaaaaaa-0000-0000-0000-000000000001"
LATER = tuple(
    f"channels/{{channel_id}}/{path}" for path in ("agents/{agent_id}/mute", "mutes", "resume-agents", "read")
)


def test_no_spelling_means_two_things() -> None:
    """No method and path lead to two routes, whatever the names of the path's variable parts."""
    found = [
        (route.method, re.sub(r"{\w+}", "{}", path)) for route in ALL_ROUTES for path in spellings(route)
    ]
    assert len(set(found)) == len(found)


def test_what_clients_knew_under_an_old_name_is_there_whole() -> None:
    """Each request beneath a renamed path has the old name, too, but for what came after it."""
    families = ("channels/{channel_id}", "central-channels/{channel_id}"), ("message-servers/{", "servers/{")
    for new, old in families:
        missing = {
            route.path.removeprefix(f"{API}/")
            for route in ALL_ROUTES
            if route.path.startswith(f"{API}/{new}")
            and route.path.replace(new, old, 1) not in route.deprecated
        }
        assert not {path for path in missing if not path.startswith(LATER)}, f"not under {old}"


async def test_every_spelling_is_answered_alike(parley: Parley) -> None:
    """Status and form are those of the path itself; a deprecated one is told what to use instead."""
    for route in ALL_ROUTES:
        for path in spellings(route)[1:]:
            world = await new_world(parley)
            reply = await world.request(parley.service, route, path)
            assert reply.status == route.status, f"{name(route)} as {path}"
            if path in route.deprecated:
                assert reply.headers["Deprecation"] == DEPRECATED
                assert reply.headers["Link"] == f'<{world.path(route)}>; rel="successor-version"'
            else:
                assert not {"Deprecation", "Link"} & set(reply.headers)


async def test_refusals_of_deprecated_spellings_say_so_too(parley: Parley) -> None:
    """Also without a credential; what stands in the path is quoted in the link."""
    for client in (parley.anonymous, parley.service):
        reply = await client.get(f"{API}/central-channels/a%20b%3E/messages")
        assert reply.status in (401, 404)
        assert reply.headers["Deprecation"].startswith("@")
        assert reply.headers["Link"] == f'<{API}/channels/a%20b%3E/messages>; rel="successor-version"'


async def test_a_path_without_another_spelling_is_not_deprecated(parley: Parley) -> None:
    """Only what the tables call deprecated is."""
    reply = await parley.service.get(f"{API}/channels/{CHANNEL}/messages")
    assert (reply.status, "Deprecation" in reply.headers) == (404, False)
