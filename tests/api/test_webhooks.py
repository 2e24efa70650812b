"""An agent's webhook: who may set it, where it may lead, and that its secret is told once."""

import base64

import pytest
from sqlalchemy import Connection, text

from rooms.principals import Scope
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply, Rest
from tests.running import Parley, Start

PATH = f"{API}/agents/bot/webhook"
URL = "https://agents.example/hook?key=1"


async def put(client: Rest, url: object = URL, path: str = PATH) -> Reply:
    """Set a webhook."""
    return await client.request("PUT", path, json={"url": url})


async def stored(parley: Parley) -> list[bytes]:
    """Return the secrets as the database has them."""

    def read(connection: Connection) -> list[bytes]:
        return [row.sealed for row in connection.execute(text("SELECT sealed FROM vault_secrets"))]

    return await parley.node.ctx.database.read(read)


async def test_a_webhook_is_set_read_and_removed(parley: Parley) -> None:
    """The agent sees where its runs are sent, and its secret when it sets that, and never again."""
    bot = await parley.agent("bot")
    assert (await bot.get(PATH)).refusal == (404, "RESOURCE_NOT_FOUND")
    made = (await put(bot)).data
    assert (made["agent_id"], made["url"]) == ("bot", URL)
    assert made["secret"].startswith("whsec_")
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"), validate=True)) == 32
    seen = {name: value for name, value in made.items() if name != "secret"}
    assert (await bot.get(PATH)).data == seen
    assert (await bot.delete(PATH)).data == seen
    assert (await bot.delete(PATH)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert await stored(parley) == []


async def test_setting_a_webhook_again_makes_another_secret(parley: Parley) -> None:
    """What was told once can be lost: the new secret takes the place of the old one."""
    bot = await parley.agent("bot")
    first, second = [(await put(bot)).data["secret"] for _ in range(2)]
    assert first != second
    assert len(await stored(parley)) == 1


async def test_only_the_encrypted_secret_is_stored(parley: Parley) -> None:
    """Neither the secret nor its bytes stand in the table, but what the operator's secret opens."""
    secret = (await put(await parley.agent("bot"))).data["secret"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    (sealed,) = await stored(parley)
    assert key not in sealed
    assert secret.encode() not in sealed
    assert parley.node.ctx.sealer is not None
    assert parley.node.ctx.sealer.unseal(sealed, "bot") == key


async def test_without_an_operators_secret_there_is_no_webhook(start: Start) -> None:
    """There would be nothing to encrypt its secret under; the refusal says what to set."""
    parley = await start(secret=None)
    refused = await put(await parley.agent("bot"))
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "PARLEY_SECRET" in refused.error["details"]
    assert await stored(parley) == []


async def test_an_agent_and_services_with_the_scope_may_set_it(parley: Parley) -> None:
    """Other agents, users, and services without the scope are refused, and change nothing."""
    bot = await parley.agent("bot")
    before = (await put(bot)).data
    rest = set(Scope) - {Scope.AGENTS_WRITE}
    others = [
        await parley.agent("other"),
        await parley.user("ann"),
        await parley.restricted_service(*rest),
    ]
    for client in others:
        replies = [await put(client, "https://evil.example/"), await client.get(PATH)]
        replies.append(await client.delete(PATH))
        assert {reply.refusal for reply in replies} == {(404, "RESOURCE_NOT_FOUND")}
    assert (await bot.get(PATH)).data["created_at"] == before["created_at"]
    service = await parley.restricted_service(Scope.AGENTS_WRITE)
    assert (await put(service)).status == 200


async def test_only_agents_have_webhooks(parley: Parley) -> None:
    """Users, and ids that nobody has, are found nowhere."""
    await parley.user("ann")
    for who in ("ann", "nobody", "a b", DEFAULT_SERVER_ID):
        reply = await put(parley.service, path=f"{API}/agents/{who}/webhook")
        assert reply.refusal == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    "url",
    [
        5,
        None,
        "",
        "agents.example",
        "ftp://agents.example/",
        "https://user:password@agents.example/",
        "https://agents.example/" + "x" * 2_048,
        "https://agents.example/\x00",
        "http://127.0.0.1:3000/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
async def test_a_webhook_leads_to_the_internet(parley: Parley, url: object) -> None:
    """What is no URL, and addresses that only the server reaches, are refused when they are set."""
    refused = await put(await parley.agent("bot"), url)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "'url'" in refused.error["details"]
    assert await stored(parley) == []


async def test_a_webhook_leads_where_the_operator_allows(start: Start) -> None:
    """A network that is allowed may be named; its neighbours may not."""
    parley = await start(outbound_allow=["127.0.0.1"])
    bot = await parley.agent("bot")
    assert (await put(bot, "http://127.0.0.1:3000/")).status == 200
    assert (await put(bot, "http://127.0.0.2:3000/")).status == 400
