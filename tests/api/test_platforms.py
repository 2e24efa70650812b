"""Platforms: who connects them, with which secrets, and what is shown of them."""

from pathlib import Path
from typing import Any

import pytest

from rooms.principals import Scope
from tests.platforms import SECRETS
from tests.rest import API, Reply, Rest
from tests.running import Parley, Start, running_parley

PATH = f"{API}/platforms"
NOWHERE = "11111111-2222-3333-4444-555555555555"


async def keep_secrets(parley: Parley, kind: str = "telegram", agent_id: str = "bot") -> dict[str, str]:
    """Put the secrets of a kind into the vault for an agent, and return their names."""
    for use, value in SECRETS[kind].items():
        path = f"{API}/secrets/{use}"
        assert (await parley.service.request("PUT", path, json={"value": value})).status == 200
        assert (await parley.service.request("PUT", f"{path}/grants/{agent_id}")).status == 200
    return {use: use for use in SECRETS[kind]}


async def connect(client: Rest, names: dict[str, str], kind: str = "telegram", **fields: Any) -> Reply:
    """Connect a platform."""
    return await client.post(PATH, {"kind": kind, "agent_id": "bot", "secrets": names, **fields})


async def change(client: Rest, platform_id: str, **fields: Any) -> Reply:
    """Change what is known of a platform."""
    return await client.request("PATCH", f"{PATH}/{platform_id}", json=fields)


@pytest.mark.parametrize("kind", SECRETS)
async def test_a_platform_is_connected_changed_and_removed(parley: Parley, kind: str) -> None:
    """Its keeper and its agent see it, with the names of its secrets and without what they are."""
    bot = await parley.agent("bot")
    names = await keep_secrets(parley, kind)
    made = await connect(parley.service, names, kind)
    assert made.status == 201
    platform = made.data
    assert platform["secrets"] == names
    assert platform["incoming"] == f"/api/platforms/{platform['id']}/incoming"
    assert platform["api_url"].startswith("https://") is (kind != "webhook")
    path = f"{PATH}/{platform['id']}"
    for client in (parley.service, bot):
        assert (await client.get(path)).data == platform
        assert (await client.get(PATH)).data["platforms"] == [platform]
    assert not any(value.encode() in made.raw for value in SECRETS[kind].values())
    changed = (await change(parley.service, platform["id"], api_url="https://elsewhere.example/")).data
    assert changed == {
        **platform,
        "api_url": "https://elsewhere.example",
        "updated_at": changed["updated_at"],
    }
    assert (await parley.service.delete(path)).data == changed
    assert (await parley.service.get(path)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await parley.service.get(PATH)).data["platforms"] == []


async def test_only_who_keeps_secrets_connects_platforms(parley: Parley) -> None:
    """Whoever says where a secret is sent could have it sent to a place of its own."""
    bot, other = await parley.agent("bot"), await parley.agent("other")
    names = await keep_secrets(parley)
    platform = (await connect(parley.service, names)).data
    path = f"{PATH}/{platform['id']}"
    rest = await parley.restricted_service(*(set(Scope) - {Scope.SECRETS_WRITE}))
    for client in (bot, other, await parley.user("ann"), rest):
        replies = [
            await connect(client, names),
            await change(client, platform["id"], api_url="https://evil.example/"),
            await client.delete(path),
            await client.post(f"{path}/deliveries/{NOWHERE}/redeliver"),
        ]
        assert {reply.refusal for reply in replies} == {(403, "PERMISSION_DENIED")}
    for client in (other, rest, await parley.user("ann")):
        for hidden in (path, f"{path}/deliveries"):
            assert (await client.get(hidden)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await other.get(PATH)).data["platforms"] == []
    assert (await rest.get(PATH)).refusal == (403, "PERMISSION_DENIED")
    assert (await parley.service.get(path)).data == platform


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "smoke"}, "kind"),
        ({"agent_id": "nobody"}, "agent_id"),
        ({"agent_id": "ann"}, "agent_id"),
        ({"secrets": {}}, "bot_token"),
        ({"secrets": {"secret_token": "secret_token"}}, "bot_token"),
        ({"secrets": {"bot_token": "bot_token", "secret_token": "unknown"}}, "unknown"),
        ({"secrets": {"bot_token": "bot_token", "secret_token": "a b"}}, "secrets"),
        ({"secrets": {"bot_token": "bot_token", "secret_token": "secret_token", "x": "x"}}, "'x'"),
        ({"secrets": {f"s{n}": "bot_token" for n in range(11)}}, "secrets"),
        ({"api_url": "http://127.0.0.1/"}, "api_url"),
        ({"api_url": "file:///etc/passwd"}, "api_url"),
        ({"api_url": "https://user:pass@example.org/"}, "api_url"),
        ({"api_url": 5}, "api_url"),
    ],
)
async def test_a_platform_is_whole_or_not_connected(
    parley: Parley, fields: dict[str, Any], says: str
) -> None:
    """An agent that is there, a granted secret for each use, a URL that requests may be made to."""
    await parley.agent("bot")
    await parley.user("ann")
    names = await keep_secrets(parley)
    refused = await connect(parley.service, names, **fields)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert says in refused.error["details"]
    platform = (await connect(parley.service, names)).data
    if "kind" not in fields:
        assert (await change(parley.service, platform["id"], **fields)).refusal == (400, "VALIDATION_ERROR")
    assert (await parley.service.get(PATH)).data["platforms"] == [platform]


@pytest.mark.parametrize(
    ("kind", "use", "value"),
    [
        ("discord", "public_key", "no key"),
        ("discord", "public_key", "00" * 31),
        ("discord", "public_key", "zz" * 32),
        ("discord", "public_key", "é" * 64),
        ("telegram", "secret_token", "two words"),
        ("telegram", "secret_token", "x" * 257),
    ],
)
async def test_what_can_prove_nothing_is_refused(parley: Parley, kind: str, use: str, value: str) -> None:
    """When a platform is connected or changed; all that it sends would be called forged."""
    await parley.agent("bot")
    names = await keep_secrets(parley, kind)
    await parley.service.request("PUT", f"{API}/secrets/bad", json={"value": value})
    await parley.service.request("PUT", f"{API}/secrets/bad/grants/bot")
    bad = {**names, use: "bad"}
    refusals = [await connect(parley.service, bad, kind)]
    platform = (await connect(parley.service, names, kind)).data
    refusals.append(await change(parley.service, platform["id"], secrets=bad))
    for refused in refusals:
        assert refused.refusal == (400, "VALIDATION_ERROR")
        assert f"'bad' is no {use} for {kind}" in refused.error["details"]
        assert value not in refused.error["details"]
    assert (await parley.service.get(PATH)).data["platforms"] == [platform]


async def test_a_secret_that_cannot_be_read_is_asked_for_again(start: Start, tmp_path: Path) -> None:
    """It was encrypted under another PARLEY_SECRET."""
    data_dir = tmp_path / "kept"
    async with running_parley(data_dir, secret="one secret of thirty-two letters") as first:
        await first.agent("bot")
        names = await keep_secrets(first)
        key = first.service_key
    parley = await start(data_dir=data_dir, secret="another one of thirty-two letters")
    refused = await connect(parley.bearer(key), names)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "put it again" in refused.error["details"]


async def test_a_secret_must_be_granted_to_the_agent(parley: Parley) -> None:
    """That somebody keeps it is not enough, nor that another agent may use it."""
    await parley.agent("bot")
    await parley.agent("other")
    names = await keep_secrets(parley, agent_id="other")
    refused = await connect(parley.service, names)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "grant" in refused.error["details"]


async def test_an_agent_that_is_ended_answers_nowhere(parley: Parley) -> None:
    """Its platforms are disconnected with it, and none are connected again."""
    await parley.agent("bot")
    names = await keep_secrets(parley)
    await connect(parley.service, names)
    await parley.service.delete("/api/agents/bot")
    refused = await connect(parley.service, names)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "'agent_id'" in refused.error["details"]
    assert (await parley.service.get(PATH)).data["platforms"] == []


@pytest.mark.parametrize("platform_id", [NOWHERE, "x", "a%00b", "%C3%BC"])
async def test_a_platform_that_is_not_there_is_found_nowhere(parley: Parley, platform_id: str) -> None:
    """Whatever its id looks like."""
    path = f"{PATH}/{platform_id}"
    replies = [await parley.service.get(path), await parley.service.get(f"{path}/deliveries")]
    replies += [await parley.service.delete(path), await change(parley.service, platform_id)]
    replies.append(await parley.service.post(f"{path}/deliveries/{NOWHERE}/redeliver"))
    assert {reply.refusal for reply in replies} == {(404, "RESOURCE_NOT_FOUND")}
