"""The vault: who keeps secrets, for whom they may be used, and that nobody reads them again."""

from typing import Any

import pytest

from rooms.principals import Scope
from rooms.rules import MAX_SECRET
from tests.rest import API, Reply, Rest
from tests.running import Parley, Start

PATH = f"{API}/secrets"
VALUE = "what only the vault knows"


async def put(client: Rest, value: object = VALUE, name: str = "token") -> Reply:
    """Keep a secret."""
    return await client.request("PUT", f"{PATH}/{name}", json={"value": value})


async def grant(client: Rest, agent_id: str = "bot", name: str = "token") -> Reply:
    """Let the secret be used for an agent."""
    return await client.request("PUT", f"{PATH}/{name}/grants/{agent_id}")


async def names(client: Rest, **query: Any) -> list[str]:
    """Return the names of the secrets that the client is shown."""
    return [secret["name"] for secret in (await client.get(PATH, **query)).data["secrets"]]


async def test_a_secret_is_kept_granted_and_forgotten(parley: Parley) -> None:
    """Its keeper sees name, times and agents at each step, and never the secret."""
    await parley.agent("bot")
    made = await put(parley.service)
    assert set(made.data) == {"name", "agents", "created_at", "updated_at"}
    assert (made.data["name"], made.data["agents"]) == ("token", [])
    replies = [made, await grant(parley.service), await parley.service.get(PATH)]
    assert [reply.data.get("agents") for reply in replies] == [[], ["bot"], None]
    replies.append(await parley.service.delete(f"{PATH}/token/grants/bot"))
    assert replies[-1].data["agents"] == []
    replies.append(await parley.service.delete(f"{PATH}/token"))
    assert not any(VALUE.encode() in reply.raw for reply in replies)
    assert await names(parley.service) == []
    assert (await parley.service.delete(f"{PATH}/token")).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_a_new_value_keeps_the_grants(parley: Parley) -> None:
    """Whoever changes a token need not say again whose it is."""
    await parley.agent("bot")
    await put(parley.service)
    await grant(parley.service)
    assert (await put(parley.service, "another")).data["agents"] == ["bot"]


async def test_without_an_operators_secret_nothing_is_kept(start: Start) -> None:
    """There would be nothing to encrypt it under; the refusal says what to set."""
    parley = await start(secret=None)
    refused = await put(parley.service)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "PARLEY_SECRET" in refused.error["details"]
    assert await names(parley.service) == []


async def test_only_services_with_the_scope_keep_secrets(parley: Parley) -> None:
    """Everybody else is refused, whether the secret is there or not, and changes nothing."""
    bot = await parley.agent("bot")
    before = (await put(parley.service)).data
    rest = set(Scope) - {Scope.SECRETS_WRITE}
    for client in (bot, await parley.user("ann"), await parley.restricted_service(*rest)):
        for name in ("token", "unknown"):
            replies = [await put(client, "evil", name), await grant(client, "bot", name)]
            replies += [await client.delete(f"{PATH}/{name}{rest}") for rest in ("", "/grants/bot")]
            replies.append(await client.get(f"{API}/secret-uses"))
            assert {reply.refusal for reply in replies} == {(403, "PERMISSION_DENIED")}
    assert (await parley.service.get(PATH)).data["secrets"] == [before]
    keeper = await parley.restricted_service(Scope.SECRETS_WRITE)
    assert (await put(keeper, "another")).status == 200


async def test_an_agent_sees_what_is_granted_to_it(parley: Parley) -> None:
    """By name, without whose it is besides; users and other services see no list at all."""
    bot, other = await parley.agent("bot"), await parley.agent("other")
    for name in ("a", "b", "c"):
        await put(parley.service, name=name)
    for agent_id, name in (("bot", "a"), ("bot", "c"), ("other", "c")):
        await grant(parley.service, agent_id, name)
    assert (await names(bot), await names(other)) == (["a", "c"], ["c"])
    assert (await bot.get(PATH)).data["secrets"][1]["agents"] == ["bot"]
    for client in (await parley.user("ann"), await parley.restricted_service(Scope.AGENTS_WRITE)):
        assert (await client.get(PATH)).refusal == (403, "PERMISSION_DENIED")


async def test_secrets_are_listed_page_by_page(parley: Parley) -> None:
    """In order of their names, from behind the last one of the page before."""
    for name in ("c", "a", "b"):
        await put(parley.service, name=name)
    assert await names(parley.service, limit=2) == ["a", "b"]
    assert await names(parley.service, limit=2, after="b") == ["c"]
    refused = await parley.service.get(PATH, after="a\0")
    assert refused.refusal == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("value", [None, 5, "", " a", "a\n", "a\0b", "\ud800", "x" * (MAX_SECRET + 1), {}])
async def test_what_is_no_secret_is_refused(parley: Parley, value: object) -> None:
    """The refusal names the field, and repeats nothing of what was sent."""
    refused = await put(parley.service, value)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert await names(parley.service) == []


@pytest.mark.parametrize("name", ["a%20b", "x" * 65, ".a", "webhook:bot", "a%00", "%C3%BC"])
async def test_a_secret_has_a_plain_name(parley: Parley, name: str) -> None:
    """Other names cannot be given, least of all those of webhooks' secrets, and are found nowhere."""
    await parley.agent("bot")
    assert (await put(parley.service, name=name)).refusal == (400, "VALIDATION_ERROR")
    assert (await grant(parley.service, name=name)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await parley.service.delete(f"{PATH}/{name}")).refusal == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("who", ["ann", "nobody", "a%20b"])
async def test_only_agents_are_granted_secrets(parley: Parley, who: str) -> None:
    """Users, and ids that nobody has, are found nowhere."""
    await parley.user("ann")
    await put(parley.service)
    assert (await grant(parley.service, who)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_an_agent_that_was_ended_is_granted_nothing(parley: Parley) -> None:
    """Neither a secret nor a webhook waits for whoever registers its id again."""
    bot = await parley.agent("bot")
    await put(parley.service)
    await bot.delete("/api/agents/bot")
    url = {"url": "https://agents.example/"}
    hooked = await parley.service.request("PUT", f"{API}/agents/bot/webhook", json=url)
    for refused in (await grant(parley.service), hooked):
        assert refused.refusal == (404, "RESOURCE_NOT_FOUND")
    again = await parley.agent("bot")
    assert await names(again) == []


async def test_the_secret_of_a_webhook_goes_with_the_webhook(parley: Parley) -> None:
    """It is in the vault, granted to its agent, and is changed in no other way."""
    bot = await parley.agent("bot")
    await bot.request("PUT", f"{API}/agents/bot/webhook", json={"url": "https://agents.example/"})
    (secret,) = (await parley.service.get(PATH)).data["secrets"]
    assert (secret["name"], secret["agents"]) == ("webhook:bot", ["bot"])
    assert await names(bot) == ["webhook:bot"]
    for path in ("", "/grants/bot"):
        assert (await parley.service.delete(f"{PATH}/webhook:bot{path}")).refusal == (409, "CONFLICT")
    await bot.delete(f"{API}/agents/bot/webhook")
    assert await names(parley.service) == []
