"""Who somebody is: keys in each header, revocation, scopes, acting for others, open mode, sign-in."""

import asyncio
import time
import uuid

import pytest

from rooms import keys
from rooms.errors import ValidationFailed
from rooms.principals import Kind, Scope
from rooms.rules import DEFAULT_SERVER_ID
from server.config import BadSetting, load
from tests.rest import API
from tests.running import Parley, Start
from tests.talking import ELIZA, NATIVE, speaking_by_hand, talking

SERVERS = f"{API}/message-servers"
UNAUTHORIZED = (401, "AUTHENTICATION_FAILED")
DENIED = (403, "PERMISSION_DENIED")
TOKEN = "a shared token of some length"


@pytest.mark.parametrize(
    "written",
    [
        {"Authorization": "Bearer {}"},
        {"Authorization": "bearer {}"},
        {"Authorization": "BEARER  {}"},
        {"X-API-KEY": "{}"},
        {"x-api-key": "{}"},
        {"Authorization": "Basic cGFybGV5", "X-API-KEY": "{}"},
    ],
    ids=str,
)
async def test_a_key_is_good_in_each_header(parley: Parley, written: dict[str, str]) -> None:
    """Authorization: Bearer and X-API-KEY carry the same keys."""
    headers = {name: value.format(parley.service_key) for name, value in written.items()}
    assert (await parley.anonymous.request("GET", SERVERS, headers=headers)).status == 200


@pytest.mark.parametrize("change", ["{}x", "x{}", "{} x", "parley_{}"])
async def test_almost_the_key_is_no_key(parley: Parley, change: str) -> None:
    """A key with anything added is unknown."""
    assert (await parley.bearer(change.format(parley.service_key)).get(SERVERS)).refusal == UNAUTHORIZED


async def test_a_bad_bearer_is_not_saved_by_a_good_key(parley: Parley) -> None:
    """Where both headers are sent the bearer decides."""
    client = parley.api_key(parley.service_key).having(Authorization="Bearer wrong")
    assert (await client.get(SERVERS)).refusal == UNAUTHORIZED


async def test_a_revoked_key_is_worthless(parley: Parley) -> None:
    """From its revocation on a key is refused, on REST and in handshakes; others stay good."""
    ann = await parley.user("ann")
    made = await keys.create(parley.node.ctx, keys.KeyDraft(Kind.USER, "ann", "ann"))
    client = parley.bearer(made.secret)
    assert (await client.get(SERVERS)).status == 200
    await keys.revoke(parley.node.ctx, made.key.id)
    assert (await client.get(SERVERS)).refusal == UNAUTHORIZED
    async with speaking_by_hand(parley.url) as socket:
        refused = await socket.connect({"token": made.secret})
        assert refused["data"]["code"] == "AUTHENTICATION_FAILED"
    assert (await ann.get(SERVERS)).status == 200


@pytest.mark.parametrize("who", ["", "a b", "ü", "x" * 129, "a/b"])
async def test_nobody_gets_a_key_under_an_id_that_cannot_be_one(parley: Parley, who: str) -> None:
    """Keys and sign-in codes hold to the same ids as every other door."""
    for kind in (Kind.USER, Kind.AGENT):
        with pytest.raises(ValidationFailed, match="letters, digits"):
            await parley.key(kind, who)
    with pytest.raises(ValidationFailed, match="letters, digits"):
        await keys.create_sign_in_code(parley.node.ctx, who)


async def test_a_key_finds_its_owner_whatever_the_case_of_its_uuid(parley: Parley) -> None:
    """A key for a UUID in capitals acts as the participant that was added in small letters."""
    who = "ABCDEFAB-1111-2222-3333-ABCDEFABCDEF"
    channel_id = await parley.service.new_channel("talk", who.lower())
    assert (await (await parley.user(who)).submit(channel_id)).data["userId"] == who.lower()


@pytest.mark.parametrize("field", ["token", "apiKey"])
@pytest.mark.parametrize("namespace", [NATIVE, ELIZA])
async def test_a_key_is_good_in_each_field_of_the_handshake(
    parley: Parley, field: str, namespace: str
) -> None:
    """auth.token and auth.apiKey carry the same keys as the headers."""
    secret = await parley.key(Kind.USER, "ann")
    async with talking(parley.url, {field: secret}, namespace) as talker:
        greeting = talker.heard[-1][1]
    who = greeting["entityId"] if namespace == ELIZA else greeting["principal"]["id"]
    assert who == "ann"


async def test_a_service_may_speak_as_an_entity(parley: Parley) -> None:
    """With X-Entity-Id, or entityId in a handshake, a service's calls are the entity's."""
    channel_id = await parley.service.new_channel("talk", "ann")
    as_ann = parley.service.having(X_Entity_Id="ann")
    assert (await as_ann.submit(channel_id, "by header")).data["userId"] == "ann"
    auth = {"token": parley.service_key, "entityId": "ann"}
    async with talking(parley.url, auth) as talker:
        assert talker.all("ready")[0]["principal"] == {"id": "ann", "kind": "user"}
        assert [channel["id"] for channel in talker.all("ready")[0]["channels"]] == [channel_id]
        assert (await talker.data("submit", {"channel_id": channel_id, "content": "x"}))["userId"] == "ann"


async def test_a_service_speaks_as_a_known_agent(parley: Parley) -> None:
    """An entity that the registry knows as an agent acts as one."""
    await parley.agent("bot", "Helper")
    channel_id = await parley.service.new_channel("talk", "bot")
    stored = (await parley.service.having(X_Entity_Id="bot").submit(channel_id)).data
    assert (stored["agentId"], stored["metadata"]) == ("bot", {"agent_name": "Helper"})


@pytest.mark.parametrize("entity", ["a b", "ü", "x" * 129, "a/b"])
async def test_an_entity_that_cannot_be_one_is_refused(parley: Parley, entity: str) -> None:
    """A service that states a malformed entity is told so with 400, and a handshake is refused."""
    refused = await parley.service.having(X_Entity_Id=entity).get(SERVERS)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    async with speaking_by_hand(parley.url) as socket:
        answer = await socket.connect({"token": parley.service_key, "entityId": entity})
        assert answer["data"]["code"] == "VALIDATION_ERROR"


async def test_a_service_does_what_its_scopes_say(parley: Parley) -> None:
    """Reading, writing, and changing channels and servers are each a scope of their own."""
    channel_id = await parley.service.new_channel("talk", "ann")
    for scopes in (set(), *({scope} for scope in Scope), set(Scope)):
        service = await parley.restricted_service(*scopes)
        outcome = {
            Scope.MESSAGES_READ: (await service.history(channel_id)).status == 200,
            Scope.SERVERS_WRITE: (await service.post(SERVERS, {"name": "x"})).status == 201,
            Scope.CHANNELS_WRITE: (await service.create_channel(f"c-{uuid.uuid4()}")).status == 201,
        }
        assert outcome == {scope: scope in scopes for scope in outcome}, scopes
    blind = await parley.restricted_service(Scope.MESSAGES_WRITE)
    assert (await blind.submit(channel_id, author_id="ann")).status == 404
    mute = await parley.restricted_service(Scope.MESSAGES_READ)
    assert (await mute.submit(channel_id, author_id="ann")).refusal == DENIED


async def test_the_shared_token_of_elizaos_is_a_services(start: Start) -> None:
    """ELIZA_SERVER_AUTH_TOKEN opens REST and sockets with every right, and nothing else does."""
    parley = await start(service_token=TOKEN)
    for client in (parley.api_key(TOKEN), parley.bearer(TOKEN)):
        assert (await client.get(SERVERS)).status == 200
    channel_id = await parley.api_key(TOKEN).new_channel("talk")
    assert (await parley.api_key(TOKEN).submit(channel_id, author_id="ann")).status == 201
    auth = {"apiKey": TOKEN, "entityId": "ann"}
    async with talking(parley.url, auth, ELIZA) as talker:
        payload = {"channelId": channel_id, "senderId": "ann", "message": "x"}
        assert (await talker.call("message", {"type": 2, "payload": payload}))["success"] is True
    for wrong in (TOKEN + "x", TOKEN[:-1], TOKEN.upper()):
        assert (await parley.api_key(wrong).get(SERVERS)).refusal == UNAUTHORIZED
    async with speaking_by_hand(parley.url, ELIZA) as socket:
        assert (await socket.connect({"entityId": "ann"}))["data"]["code"] == "AUTHENTICATION_FAILED"


async def test_in_open_mode_a_client_is_who_it_says(start: Start) -> None:
    """Without any credential X-Entity-Id and entityId are believed."""
    parley = await start(auth="open")
    channel_id = await parley.anonymous.new_channel("talk", "ann")
    as_ann = parley.anonymous.having(X_Entity_Id="ann")
    assert (await as_ann.submit(channel_id, "hello")).data["userId"] == "ann"
    async with talking(parley.url, {"entityId": "ann"}, ELIZA) as talker:
        assert talker.all("authenticated")[0]["entityId"] == "ann"
        payload = {"channelId": channel_id, "senderId": "ann", "message": "x"}
        assert (await talker.call("message", {"type": 2, "payload": payload}))["success"] is True


async def test_in_open_mode_nobody_in_particular_names_the_author(start: Start) -> None:
    """Without an entity a client is a service: it must say who speaks, in elizaOS's dialect."""
    parley = await start(auth="open")
    channel_id = await parley.anonymous.new_channel("talk")
    stored = (await parley.anonymous.submit(channel_id, author_id="ann")).data
    assert stored["userId"] == "ann"
    assert isinstance(stored["createdAt"], str)
    refused = await parley.anonymous.submit(channel_id)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    async with talking(parley.url, None, ELIZA) as talker:
        assert talker.all("authenticated")


async def test_in_open_mode_a_key_still_says_who_somebody_is(start: Start) -> None:
    """A user's key makes the client that user."""
    parley = await start(auth="open")
    ann = await parley.user("ann")
    channel_id = await parley.anonymous.new_channel("talk", "ann")
    assert (await ann.having(X_Entity_Id="ben").submit(channel_id)).data["userId"] == "ann"


def test_open_mode_is_refused_where_others_can_reach_it() -> None:
    """On an address that is not loopback it takes the operator's word."""
    with pytest.raises(BadSetting, match="PARLEY_ALLOW_OPEN"):
        load(auth="open", host="0.0.0.0")
    assert load(auth="open", host="0.0.0.0", allow_open=True).auth == "open"
    for loopback in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert load(auth="open", host=loopback).auth == "open"


async def test_clients_learn_whether_a_credential_is_needed(start: Start, parley: Parley) -> None:
    """The configuration says so to everybody."""
    path = "/api/system/config"
    assert (await parley.anonymous.get(path)).data["requiresAuth"] is True
    opened = await start(parley.data_dir.with_name("open"), auth="open")
    assert (await opened.anonymous.get(path)).data["requiresAuth"] is False


async def test_a_sign_in_code_works_once(parley: Parley) -> None:
    """The printed code becomes a user's key; a second time it is 401."""
    assert parley.node.welcome is not None
    body = {"code": parley.node.welcome.sign_in_code}
    signed_in = (await parley.anonymous.post("/api/auth/sign-in", body)).data
    assert signed_in["userId"] == "owner"
    owner = parley.bearer(signed_in["token"])
    found = (await owner.get(f"{API}/message-servers/{DEFAULT_SERVER_ID}/channels")).data["channels"]
    assert [channel["name"] for channel in found] == ["general"]
    again = await parley.anonymous.post("/api/auth/sign-in", body)
    assert again.refusal == UNAUTHORIZED
    assert again.error["message"] == "Invalid sign-in code"


async def test_a_sign_in_code_works_for_one_of_many(parley: Parley) -> None:
    """Of ten that use it at once, one is signed in."""
    body = {"code": await keys.create_sign_in_code(parley.node.ctx, "owner")}
    replies = await asyncio.gather(*(parley.anonymous.post("/api/auth/sign-in", body) for _ in range(10)))
    assert sorted(reply.status for reply in replies) == [200] + [401] * 9


async def test_a_sign_in_code_is_good_for_a_day(parley: Parley) -> None:
    """It works just before 24 hours are over, and not after."""
    now = time.time()
    parley.node.ctx.journal.clock = lambda: now
    codes = [await keys.create_sign_in_code(parley.node.ctx, "owner") for _ in range(2)]
    now += keys.SIGN_IN_MS / 1000 - 1
    assert (await parley.anonymous.post("/api/auth/sign-in", {"code": codes[0]})).status == 200
    now += 2
    assert (await parley.anonymous.post("/api/auth/sign-in", {"code": codes[1]})).refusal == UNAUTHORIZED


@pytest.mark.parametrize("code", ["", "x" * 201, 5, None, ["a"]], ids=str)
async def test_a_malformed_sign_in_code_is_refused(parley: Parley, code: object) -> None:
    """What cannot be a code is 400; a mere guess is 401."""
    refused = await parley.anonymous.post("/api/auth/sign-in", {"code": code})
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert (await parley.anonymous.post("/api/auth/sign-in", {"code": "guess"})).refusal == UNAUTHORIZED
