"""Whatever a request says, the answer is an envelope, never a failure of the server's own."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import from_json

from handlers import answers
from handlers.http import Route
from handlers.routes import ALL_ROUTES
from tests.fuzz.inputs import encode, examples, messages, texts, uuids, values
from tests.rest import API, Reply, Rest
from tests.running import Parley

OWN, FOREIGN = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002"
SAID = "aaaaaaaa-0000-0000-0000-000000000003"
REFUSALS = {
    (400, "VALIDATION_ERROR"),
    (403, "PERMISSION_DENIED"),
    (404, "RESOURCE_NOT_FOUND"),
    (404, "AGENT_NOT_FOUND"),
    (404, "SESSION_NOT_FOUND"),
    (409, "CONFLICT"),
}
WITH_BODY = [route for route in ALL_ROUTES if route.body is not None]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def ann(parley: Parley) -> Rest:
    """Give a user's client, on a node with a channel of its own and one of somebody else's."""
    await parley.service.new_channel("own", "ann", "ben", id=OWN)
    await parley.service.new_channel("foreign", "ben", id=FOREIGN)
    client = await parley.user("ann")
    assert (await client.submit(OWN, "to be edited", messageId=SAID)).status == 201
    return client


def path_of(route: Route) -> str:
    """Return the route's path about something that exists, where there is such a thing."""
    known = {"channel_id": OWN, "message_id": SAID, "entity_id": "ben", "emoji": "+1"}
    return route.path.format_map(defaultdict(lambda: FOREIGN, known))


async def send(client: Rest, method: str, path: str, body: bytes) -> Reply:
    """Send a body as it stands."""
    return await client.request(method, path, data=body, headers=JSON)


async def assert_usable(client: Rest) -> None:
    """Check that a good message is stored and read back."""
    stored = (await client.submit(OWN, "still here")).data
    assert (await client.history(OWN, limit=1)).data["messages"] == [stored]


@given(body=messages(OWN, FOREIGN))
@examples(300)
async def test_any_message_is_stored_as_it_is_or_refused(ann: Rest, body: dict[str, object]) -> None:
    """A 201 carries what was sent; everything else is a refusal with a code."""
    reply = await send(ann, "POST", f"{API}/submit", encode(body).encode())
    if reply.status != 201:
        assert reply.refusal in REFUSALS
        return
    stored = answers.Message.model_validate(reply.data, strict=True)
    assert (stored.text, stored.userId, stored.roomId) == (body["content"], "ann", OWN)


@given(items=st.lists(messages(OWN, FOREIGN) | values, max_size=5))
@examples(60)
async def test_any_batch_is_answered_item_by_item(ann: Rest, items: list[object]) -> None:
    """As many outcomes as items, each an envelope."""
    reply = await send(ann, "POST", f"{API}/submit/batch", encode({"messages": items}).encode())
    if reply.status != 201:
        assert reply.refusal in REFUSALS
        return
    outcomes = answers.Batch.model_validate(reply.data).root
    assert len(outcomes) == len(items)
    assert all(outcome.success is (outcome.error is None) for outcome in outcomes)


@given(body=st.binary(max_size=200) | values.map(lambda value: encode(value).encode()))
@examples(40)
async def test_any_body_is_survived_by_every_route(parley: Parley, ann: Rest, body: bytes) -> None:
    """Bytes of any kind are refused by each route, for a service as for a user."""
    for route in WITH_BODY:
        path = path_of(route)
        for client in (ann, parley.service):
            reply = await send(client, route.method, path, body)
            # Where nothing has to be said, an object without a known field will do.
            is_enough = reply.status == 200 and is_object(body)
            assert is_enough or reply.refusal in REFUSALS


def is_object(body: bytes) -> bool:
    """Tell whether the body is a JSON object."""
    try:
        return isinstance(from_json(body), dict)
    except ValueError:
        return False


def fields_of(model: type[BaseModel]) -> st.SearchStrategy[dict[str, object]]:
    """Return bodies that have some of a model's fields, holding anything."""
    plausible = (
        st.sampled_from([OWN, FOREIGN, "ann", "name", "dm", "text", "member", "owner"]) | uuids | values
    )
    return st.fixed_dictionaries(
        {}, optional=dict.fromkeys(model.model_fields, plausible | st.lists(plausible, max_size=3))
    )


@given(data=st.data())
@pytest.mark.parametrize("route", WITH_BODY[2:], ids=lambda route: route.path)
@examples(60)
async def test_any_fields_are_survived_by_their_route(
    parley: Parley, ann: Rest, route: Route, data: st.DataObject
) -> None:
    """Right names with wrong values, in any combination, fail no route."""
    assert route.body is not None
    body = encode(data.draw(fields_of(route.body))).encode()
    for client in (ann, parley.service):
        reply = await send(client, route.method, path_of(route), body)
        assert reply.status < 300 or reply.refusal in {*REFUSALS, (401, "AUTHENTICATION_FAILED")}


@given(
    query=st.dictionaries(
        st.sampled_from(["limit", "offset", "before", "after", "order"]),
        st.text(st.characters(codec="utf-8"), max_size=30)
        | st.integers(-1, 300).map(str)
        | st.sampled_from(["asc", "desc"])
        | st.datetimes().map(str)
        | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
        max_size=3,
    )
)
@examples(150)
async def test_any_page_is_answered_or_refused(ann: Rest, query: dict[str, str]) -> None:
    """Parameters of any kind lead to a page or to 400."""
    reply = await ann.history(OWN, **query)
    assert reply.status == 200 or reply.refusal == (400, "VALIDATION_ERROR")


@given(
    query=st.dictionaries(
        st.sampled_from(["server_id", "channel_id", "after", "limit", "ticket"]),
        st.text(st.characters(codec="utf-8"), max_size=30)
        | st.integers(-1, 600).map(str)
        | st.sampled_from([OWN, FOREIGN, f"{OWN},{FOREIGN}"]),
        max_size=3,
    ),
    cursor=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=90),
)
@examples(150)
async def test_any_wish_to_follow_is_answered_or_refused(
    ann: Rest, query: dict[str, str], cursor: str
) -> None:
    """Parameters of any kind, and whatever a browser may have stored, lead to events or to a refusal."""
    reply = await ann.having(Last_Event_ID=cursor).get(f"{API}/events", **{"wait": "0", **query})
    assert reply.status == 200 or reply.refusal in {*REFUSALS, (401, "AUTHENTICATION_FAILED")}


@given(segments=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=3))
@examples(100)
async def test_any_path_is_answered(parley: Parley, ann: Rest, segments: list[str]) -> None:
    """A path of any kind is answered by the envelope, as a channel, a message, a participant, or at all."""
    for prefix in (f"{API}/channels", f"{API}/messages", f"{API}/channels/{OWN}/participants", ""):
        for method in ("GET", "DELETE"):
            reply = await ann.request(method, "/".join([prefix, *segments]))
            assert reply.status == 200 or reply.refusal[0] in (403, 404, 405)
    await assert_usable(ann)


@given(name=st.sampled_from(["X-Request-ID", "If-None-Match", "X-Entity-Id", "Accept-Encoding"]), value=texts)
@examples(60)
async def test_any_header_is_survived(parley: Parley, ann: Rest, name: str, value: str) -> None:
    """Headers of any content change an answer, or are refused, and fail nothing."""
    sound = "".join(c for c in value if c.isprintable() and not "\ud800" <= c <= "\udfff")
    for client in (ann, parley.service):
        reply = await client.request("GET", f"{API}/channels/{OWN}/messages", headers={name: sound})
        assert reply.status in (200, 304) or reply.refusal in REFUSALS
