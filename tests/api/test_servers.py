"""Message servers: tenants that know nothing of each other."""

import pytest

from rooms.principals import Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Rest
from tests.running import Parley
from tests.talking import talking

PATH = f"{API}/message-servers"


async def new_server(client: Rest, name: str) -> str:
    """Create a message server and return its id."""
    created: str = (await client.post(PATH, {"name": name})).data["server"]["id"]
    return created


async def listed(client: Rest) -> list[str]:
    """Return the names of the servers that a client may see."""
    return [server["name"] for server in (await client.get(PATH)).data["messageServers"]]


async def test_a_service_creates_servers(parley: Parley) -> None:
    """All that was said about a server comes back, and in the list, the oldest first."""
    body = {"name": "Acme Inc.", "sourceType": "crm", "sourceId": "42", "metadata": {"plan": "free"}}
    created = (await parley.service.post(PATH, body)).data["server"]
    assert {name: created[name] for name in body} == body
    assert created["seq"] == 0
    servers = (await parley.service.get(PATH)).data["messageServers"]
    assert [server["id"] for server in servers] == [DEFAULT_SERVER_ID, created["id"]]


async def test_a_chosen_id_is_taken_once(parley: Parley) -> None:
    """The client may choose the id; a taken one is 409, the default server's too."""
    chosen = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
    first = await parley.service.post(PATH, {"name": "one", "id": chosen.upper()})
    assert first.data["server"]["id"] == chosen
    for taken in (chosen, DEFAULT_SERVER_ID):
        refused = await parley.service.post(PATH, {"name": "two", "id": taken})
        assert refused.refusal == (409, "CONFLICT")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 5},
        {"name": "x" * 257},
        {"name": "x", "id": "y"},
        {"name": "x", "metadata": 1},
    ],
    ids=str,
)
async def test_a_malformed_server_is_refused(parley: Parley, body: dict[str, object]) -> None:
    """Each is 400, and there is no new server."""
    assert (await parley.service.post(PATH, body)).refusal == (400, "VALIDATION_ERROR")
    assert await listed(parley.service) == ["Default Server"]


async def test_elizas_clients_find_servers_in_their_words(parley: Parley) -> None:
    """Which one is meant, the list under its old name, and a new server as ``data.server``, too."""
    ann = (await parley.user("ann")).in_elizas_dialect()
    current = (await ann.get(f"{API}/message-server/current")).data
    assert current == {"messageServerId": DEFAULT_SERVER_ID, "serverId": DEFAULT_SERVER_ID}
    old, new = (await ann.get(f"{API}/central-servers")).data, (await ann.get(PATH)).data
    assert old["servers"] == new["messageServers"]
    for path in (PATH, f"{API}/servers"):
        created = (await parley.service.post(path, {"name": "two", "sourceType": "crm"})).data
        view = created.pop("server")
        assert view == created


async def test_a_server_is_deleted_with_what_is_in_it(parley: Parley) -> None:
    """Who is in a channel of it hears that that is gone; the namespace takes nobody any more."""
    ann = await parley.user("ann")
    server_id = await new_server(parley.service, "Acme")
    channel_id = await parley.service.new_channel("talk", "ann", serverId=server_id)
    async with talking(parley.url, {"token": ann.secret}, f"/servers/{server_id}") as talker:
        assert (await ann.delete(f"{PATH}/{server_id}")).refusal == (403, "PERMISSION_DENIED")
        assert (await parley.service.delete(f"{PATH}/{server_id.upper()}")).status == 204
        (gone,) = await talker.wait_for("channel_deleted")
        assert gone["channel_id"] == channel_id
        assert await talker.code("join", {"channel_id": channel_id}) == "RESOURCE_NOT_FOUND"
    assert (await parley.service.delete(f"{PATH}/{server_id}")).status == 404
    assert await listed(parley.service) == ["Default Server"]
    refused = await parley.service.delete(f"{PATH}/{DEFAULT_SERVER_ID}")
    assert refused.refusal == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"channels": None},
        {"channels": {}},
        {"channels": [5]},
        {"channels": [{"name": "a", "type": "GROUP"}]},
        {"channels": [{"name": "", "type": "GROUP", "sourceId": "1"}]},
        {"channels": [{"name": "a", "type": 5, "sourceId": "1"}]},
        {"channels": [{"name": "a", "type": "GROUP", "sourceId": "1"}] * 2},
        {"channels": [{"name": "a", "type": "GROUP", "sourceId": str(n)} for n in range(1_001)]},
    ],
    ids=lambda body: str(body)[:50],
)
async def test_channels_that_cannot_be_synced_are_refused(parley: Parley, body: object) -> None:
    """Each is 400 and creates nothing; what is right is answered with how much there is of it."""
    path = f"{PATH}/{DEFAULT_SERVER_ID}/sync-channels"
    assert (await parley.service.post(path, body)).refusal == (400, "VALIDATION_ERROR")
    right = {"channels": [{"name": "a", "type": "GROUP", "sourceId": "1"}]}
    assert (await parley.service.post(path, right)).data == {"synced": 1, "created": 1, "renamed": 0}


async def test_only_a_service_with_the_scope_creates_servers(parley: Parley) -> None:
    """Users, agents and services without servers:write are refused with 403."""
    others = set(Scope) - {Scope.SERVERS_WRITE}
    for client in (
        await parley.user("ann"),
        await parley.agent("bot"),
        await parley.restricted_service(*others),
    ):
        assert (await client.post(PATH, {"name": "x"})).refusal == (403, "PERMISSION_DENIED")
    assert (
        await (await parley.restricted_service(Scope.SERVERS_WRITE)).post(PATH, {"name": "x"})
    ).status == 201


async def test_a_user_sees_the_servers_in_which_it_takes_part(parley: Parley) -> None:
    """Beside the default one: a server appears with the first channel there, and goes with the last."""
    ann = await parley.user("ann")
    server_id = await new_server(parley.service, "Acme")
    assert await listed(ann) == ["Default Server"]
    channel_id = await parley.service.new_channel("talk", "ann", serverId=server_id)
    assert await listed(ann) == ["Default Server", "Acme"]
    await ann.remove(channel_id, "ann")
    assert await listed(ann) == ["Default Server"]


async def test_each_server_has_a_log_of_its_own(parley: Parley) -> None:
    """What happens in one server neither counts nor is heard in another, even in its channels' names."""
    one, two = await new_server(parley.service, "one"), await new_server(parley.service, "two")
    first = await parley.service.new_channel("talk", "ann", serverId=one)
    second = await parley.service.new_channel("talk", "ann", serverId=two)
    ann = await parley.user("ann")
    async with talking(parley.url, {"token": ann.secret}, f"/servers/{one}") as talker:
        (ready,) = talker.all("ready")
        assert ready["server"]["id"] == one
        assert [channel["id"] for channel in ready["channels"]] == [first]
        assert (await ann.submit(second, "elsewhere")).data["seq"] == 2
        assert (await ann.submit(first, "here")).data["seq"] == 2
        await talker.settle()
        assert [(message["text"], message["seq"]) for message in talker.all("message")] == [("here", 2)]
