"""Every route refuses in the same form: the error envelope, whatever is wrong with a request.

Each test goes through the whole route table, so that a new route is held to the same from its first day.
"""

import gzip
import io
import re
from collections.abc import Iterable
from typing import Any

import pytest

from handlers.bodies import MAX_BODY
from handlers.http import Route
from handlers.routes import ALL_ROUTES
from tests.api.samples import PRIVATE, WITH_BODY, name, new_world
from tests.rest import Reply, Rest
from tests.running import Parley

JSON = {"Content-Type": "application/json"}
GZIP = {**JSON, "Content-Encoding": "gzip"}
ID = "00000000-0000-0000-0000-000000000000"

VALIDATION_ERROR = (400, "VALIDATION_ERROR")
AUTHENTICATION_FAILED = (401, "AUTHENTICATION_FAILED")
NOT_FOUND = (404, "RESOURCE_NOT_FOUND")
METHOD_NOT_ALLOWED = (405, "METHOD_NOT_ALLOWED")
TOO_LARGE = (413, "PAYLOAD_TOO_LARGE")
UNSUPPORTED_TYPE = (415, "UNSUPPORTED_MEDIA_TYPE")

NO_GOOD_CREDENTIAL = [
    {},
    {"Authorization": "Bearer parley_unknown"},
    {"Authorization": "Bearer not.a.token"},
    {"Authorization": "Basic cGFybGV5"},
    {"Authorization": "Bearer"},
    {"Authorization": "parley_unknown"},
    {"X-API-KEY": "parley_unknown"},
    {"X-API-KEY": "schlüssel"},
    {"X-Entity-Id": "ann"},
]
NO_JSON_OBJECT = [
    b"",
    b"{",
    b'{"a":1}}',
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"\xff",
    b'{"a":"\xed\xa0\x80"}',
    b"[" * 10_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"a":' + b"9" * 10_000 + b"}",
]


async def assert_refused(
    client: Rest, routes: Iterable[Route], refusal: tuple[int, str], **options: Any
) -> list[Reply]:
    """Send the same to every route; check status, code, envelope and the id to find it in the log by."""
    replies = {}
    for route in routes:
        path = re.sub(r"{\w+}", ID, route.path)
        request = {"method": route.method, **options}
        replies[name(route)] = await client.request(path=path, **request)
    assert {name: reply.refusal for name, reply in replies.items()} == dict.fromkeys(replies, refusal)
    for reply in replies.values():
        assert reply.headers["Content-Type"].startswith("application/json")
        assert reply.headers["X-Request-ID"]
    return list(replies.values())


@pytest.mark.parametrize("headers", NO_GOOD_CREDENTIAL, ids=str)
async def test_nothing_private_is_done_without_a_good_credential(
    parley: Parley, headers: dict[str, str]
) -> None:
    """No credential, a bad one, and a mere claim are 401, before anything else is looked at."""
    await assert_refused(parley.anonymous, PRIVATE, AUTHENTICATION_FAILED, headers=headers, data=b"{")


async def test_public_routes_ask_for_no_credential(parley: Parley) -> None:
    """Exactly the routes that are marked public work for everybody."""
    world = await new_world(parley)
    statuses = {name(route): (await world.request(parley.anonymous, route)).status for route in ALL_ROUTES}
    assert statuses == {name(route): route.status if route.public else 401 for route in ALL_ROUTES}


async def test_a_body_that_is_no_json_object_is_refused(parley: Parley) -> None:
    """Malformed JSON, and JSON that is no object, are 400."""
    for body in NO_JSON_OBJECT:
        await assert_refused(parley.service, WITH_BODY, VALIDATION_ERROR, data=body, headers=JSON)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/octet-stream"]
)
async def test_another_content_type_is_refused(parley: Parley, kind: str) -> None:
    """A body that does not say that it is JSON is 415, even if it is."""
    headers = {"Content-Type": kind}
    options = {"data": b"{}", "headers": headers}
    for reply in await assert_refused(parley.service, WITH_BODY, UNSUPPORTED_TYPE, **options):
        assert "application/json" in reply.error["details"]


async def test_a_request_without_a_body_names_no_field(parley: Parley) -> None:
    """Where none is required that is all; elsewhere the answer says what is missing."""
    nothing: dict[str, Any] = {"method": "POST", "skip_auto_headers": ["Content-Type"]}
    gone = await parley.service.request(path=f"/api/messaging/runs/{ID}/cancel", **nothing)
    assert gone.refusal == NOT_FOUND
    refused = await parley.service.request(path="/api/messaging/submit", **nothing)
    assert refused.refusal == VALIDATION_ERROR
    assert "is missing" in refused.error["details"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE"])
async def test_another_method_is_refused(parley: Parley, method: str) -> None:
    """A method that no route of the path has is 405, and those that there are stand in Allow."""
    takers = [re.sub(r"{\w+}", "[^/]+", route.path) for route in ALL_ROUTES if route.method == method]
    others = [route for route in ALL_ROUTES if not any(re.fullmatch(taker, route.path) for taker in takers)]
    replies = await assert_refused(parley.service, others, METHOD_NOT_ALLOWED, method=method)
    for route, reply in zip(others, replies, strict=True):
        assert route.method in reply.headers["Allow"].split(",")
        assert route.method in reply.error["details"]


async def test_a_body_over_two_megabytes_is_refused(parley: Parley) -> None:
    """One byte too many is 413; the largest body that is allowed is looked at."""
    for route in WITH_BODY:
        fits = io.BytesIO(b"{".ljust(MAX_BODY))
        await assert_refused(parley.service, [route], VALIDATION_ERROR, data=fits, headers=JSON)
        too_large = io.BytesIO(b"{".ljust(MAX_BODY + 1))
        await assert_refused(parley.service, [route], TOO_LARGE, data=too_large, headers=JSON)


async def test_a_gzip_bomb_is_refused(parley: Parley) -> None:
    """What counts is the size after decompression: a small body that grows too large is 413."""
    bomb = gzip.compress(b" " * (20 * MAX_BODY))
    assert len(bomb) < MAX_BODY // 10
    await assert_refused(parley.service, WITH_BODY, TOO_LARGE, data=bomb, headers=GZIP)


@pytest.mark.parametrize("body", [b"this is no gzip", gzip.compress(b'{"a": 1}')[:-12]], ids=["no", "cut"])
async def test_a_broken_gzip_body_is_refused(parley: Parley, body: bytes) -> None:
    """A body that cannot be decompressed is the client's fault: 400."""
    await assert_refused(parley.service, WITH_BODY, VALIDATION_ERROR, data=body, headers=GZIP)


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/messaging", "/api/messaging/submit/", "/api/messaging/nothing", "/nothing", "/api/%00"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_route_is_refused(parley: Parley, method: str, path: str) -> None:
    """A path that the table does not have is 404 in the envelope, with and without a credential."""
    for client in (parley.service, parley.anonymous):
        assert (await client.request(method, path)).refusal == NOT_FOUND
