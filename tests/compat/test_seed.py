"""Every request of the messaging API's documentation, and the answer that it promises."""

import time
from typing import Any

import pytest

from rooms import messages
from rooms.principals import Kind
from rooms.rules import is_uuid
from tests.compat import documented
from tests.rest import API, Reply, Rest
from tests.running import Parley

# Their documented values are examples; what they are is not.
MOMENTS = ("createdAt", "joinedAt")


def assert_documented(actual: Any, promised: Any, *, same_id: bool = True) -> None:
    """Check that everything documented is there with its value; times are epoch seconds of now."""
    if isinstance(promised, dict):
        for name, value in promised.items():
            if name in MOMENTS:
                assert type(actual[name]) is int
                assert abs(actual[name] - time.time()) < 60
            elif name == "id" and not same_id:
                assert is_uuid(actual["id"])
            else:
                assert_documented(actual[name], value, same_id=same_id)
        assert promised or not actual
    elif isinstance(promised, list):
        assert len(actual) == len(promised)
        for one, other in zip(actual, promised, strict=True):
            assert_documented(one, other, same_id=same_id)
    else:
        assert actual == promised


@pytest.fixture
async def api(parley: Parley) -> Rest:
    """Give a service's client on a node that has the server and the channel of the examples."""
    service = parley.service
    await _create(service, "message-servers", {"id": documented.SERVER, "name": "Documented"})
    channel = {"id": documented.CHANNEL, "serverId": documented.SERVER, "name": "examples"}
    await _create(service, "central-channels", channel)
    return service


async def _create(client: Rest, what: str, body: dict[str, Any]) -> None:
    assert (await client.post(f"{API}/{what}", body)).status == 201


async def send(client: Rest, body: dict[str, Any], **more: Any) -> Reply:
    """Submit a documented body."""
    return await client.post(f"{API}/submit", {**body, **more})


@pytest.mark.parametrize(
    "body",
    [
        documented.CREATE_CHANNEL,
        documented.CREATE_CHANNEL_WITH_CURL,
        documented.CREATE_CHANNEL_WITH_POSTMAN,
    ],
    ids=lambda body: body["name"],
)
async def test_a_channel_is_created_as_documented(api: Rest, body: dict[str, Any]) -> None:
    """Each documented request for a channel is answered by 201 and the documented channel."""
    reply = await api.post(f"{API}/central-channels", body)
    assert reply.status == 201
    promised = {"channel": {**documented.CHANNEL_CREATED["channel"], **body}}
    assert_documented(reply.data, promised, same_id=False)


async def test_a_channel_is_created_under_the_documented_id(parley: Parley) -> None:
    """A client that chooses the documented id gets the documented answer to the letter."""
    await _create(parley.service, "message-servers", {"id": documented.SERVER, "name": "Documented"})
    body = {**documented.CREATE_CHANNEL, "id": documented.CHANNEL}
    reply = await parley.service.post(f"{API}/central-channels", body)
    assert (reply.status, reply.body["success"]) == (201, True)
    assert_documented(reply.data, documented.CHANNEL_CREATED)


@pytest.mark.parametrize(
    "body",
    [documented.SEND, documented.SEND_WITH_CURL, documented.SEND_WITH_POSTMAN],
    ids=["example", "curl", "postman"],
)
async def test_a_message_is_sent_as_documented(api: Rest, body: dict[str, Any]) -> None:
    """Each documented submit is answered by 201 and the documented message."""
    reply = await send(api, body)
    assert (reply.status, reply.body["success"]) == (201, True)
    assert_documented(reply.data, {**documented.SENT, "text": body["content"]}, same_id=False)


async def test_a_message_is_sent_with_its_authors_own_key(parley: Parley, api: Rest) -> None:
    """The documented submit needs no service key: the author's own is enough."""
    await api.add(documented.CHANNEL, "user-123")
    author = parley.bearer(await parley.key(Kind.USER, "user-123"))
    reply = await send(author, documented.SEND, messageId=documented.QUESTION)
    assert reply.status == 201
    assert_documented(reply.data, documented.SENT)


async def test_history_is_read_as_documented(api: Rest) -> None:
    """The documented page has both messages in order, with the documented pagination."""
    await send(api, documented.SEND, messageId=documented.QUESTION)
    await send(api, documented.REPLY, messageId=documented.ANSWER)
    headers = {"Content-Type": "application/json"}
    path = f"{API}/channels/{documented.CHANNEL}/messages"
    reply = await api.request("GET", f"{path}?limit=10&offset=0", headers=headers)
    assert (reply.status, reply.body["success"]) == (200, True)
    assert_documented(reply.data, documented.HISTORY)
    with_curl = await api.request("GET", f"{path}?limit=5", headers=headers)
    promised = {**documented.HISTORY, "pagination": {"limit": 5, "offset": 0, "total": 2}}
    assert_documented(with_curl.data, promised)


async def test_a_participant_is_added_as_documented(api: Rest) -> None:
    """The documented request is answered by 201 and the documented participant."""
    path = f"{API}/channels/{documented.CHANNEL}/participants"
    reply = await api.post(path, documented.ADD_PARTICIPANT)
    assert (reply.status, reply.body["success"]) == (201, True)
    assert_documented(reply.data, documented.PARTICIPANT_ADDED)


async def test_a_thread_is_created_as_documented(api: Rest) -> None:
    """A documented reply, which states neither server nor source, is stored under its parent."""
    await send(api, documented.SEND, messageId=documented.QUESTION)
    reply = await send(api, documented.REPLY_IN_THREAD)
    assert reply.status == 201
    promised = {**documented.SENT, "text": documented.REPLY_IN_THREAD["content"]}
    assert_documented(reply.data, promised, same_id=False)
    assert reply.data["in_reply_to_message_id"] == documented.QUESTION
    assert reply.data["source_type"] == "user_message"
    (_, read) = (await api.history(documented.CHANNEL)).data["messages"]
    assert read["in_reply_to_message_id"] == documented.QUESTION


async def test_a_rich_message_is_sent_as_documented(api: Rest) -> None:
    """The documented attachments and metadata are stored and come back as they were."""
    reply = await send(api, documented.RICH_MESSAGE)
    assert reply.status == 201
    (read,) = (await api.history(documented.CHANNEL)).data["messages"]
    for message in (reply.data, read):
        assert message["attachments"] == documented.RICH_MESSAGE["attachments"]
        assert message["metadata"] == documented.RICH_MESSAGE["metadata"]


async def test_a_retry_is_answered_from_the_first_attempt(api: Rest) -> None:
    """The same messageId again is 201 with the same body, and nothing is stored twice."""
    first = await send(api, documented.SEND, messageId="attempt")
    again = await send(api, documented.SEND, messageId="attempt")
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert (await api.history(documented.CHANNEL)).data["pagination"]["total"] == 1


async def test_a_bad_request_is_refused_word_for_word(api: Rest) -> None:
    """A missing field is 400 with the documented body."""
    body = {name: value for name, value in documented.SEND.items() if name != "content"}
    reply = await send(api, body)
    assert (reply.status, reply.body) == (400, documented.BAD_REQUEST)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer your-api-key"}], ids=["none", "bad"])
async def test_an_unauthorized_request_is_refused_word_for_word(
    parley: Parley, headers: dict[str, str]
) -> None:
    """No token, or a wrong one, is 401 with the documented body."""
    reply = await parley.anonymous.post(f"{API}/submit", documented.SEND, headers=headers)
    assert (reply.status, reply.body) == (401, documented.UNAUTHORIZED)


async def test_a_forbidden_request_is_refused_word_for_word(parley: Parley, api: Rest) -> None:
    """Speaking as somebody else is 403 with the documented body."""
    for who in (documented.SEND["author_id"], "user-789"):
        await api.add(documented.CHANNEL, who)
    impostor = parley.bearer(await parley.key(Kind.USER, "user-789"))
    reply = await send(impostor, documented.SEND)
    assert (reply.status, reply.body) == (403, documented.FORBIDDEN)


@pytest.mark.parametrize("thing", ["messages", "participants"])
async def test_an_unknown_channel_is_refused_word_for_word(api: Rest, thing: str) -> None:
    """A channel that does not exist is 404 with the documented body."""
    reply = await api.get(f"{API}/channels/invalid-channel/{thing}")
    assert (reply.status, reply.body) == (404, documented.NOT_FOUND)


async def test_a_broken_server_answers_word_for_word(api: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the server's own is 500 with the documented body and nothing of its inside."""

    async def break_down(*_arguments: object) -> None:
        raise RuntimeError("the inside of the server")

    monkeypatch.setattr(messages, "submit", break_down)
    reply = await send(api, documented.SEND)
    assert (reply.status, reply.body) == (500, documented.SERVER_ERROR)
