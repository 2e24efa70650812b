"""Names and handles: who may choose them, which are free, and where they show."""

from typing import Any

import pytest

from rooms.principals import Scope
from tests.rest import API, Reply, Rest
from tests.running import Parley


async def rename(client: Rest, who: str = "me", **fields: Any) -> Reply:
    """Give somebody another name or handle."""
    return await client.request("PATCH", f"{API}/entities/{who}", json=fields)


async def test_everybody_chooses_a_handle(parley: Parley) -> None:
    """It shows where participants are listed, and mentions reach whoever has it."""
    ann = await parley.user("ann", "Ann")
    channel_id = await parley.service.new_channel("talk", "ann", "ben")
    ann_as = {"id": "ann", "kind": "user", "name": "Ann", "handle": "Ann.Lee"}
    assert (await rename(ann, handle="Ann.Lee")).data == ann_as
    listed = (await parley.service.get(f"{API}/channels/{channel_id}/participants")).data["participants"]
    assert [(person["userId"], person["handle"]) for person in listed] == [("ann", "Ann.Lee"), ("ben", None)]
    said = (await parley.service.submit(channel_id, "hello @ann.lee", author_id="ben")).data
    assert said["mentions"] == [{"text": "@ann.lee", "id": "ann", "name": "Ann"}]


async def test_everybody_may_see_who_it_is(parley: Parley) -> None:
    """A client learns its id from its key, also before anybody has seen it."""
    me = f"{API}/entities/me"
    ann = await parley.user("ann", "Ann")
    assert (await ann.get(me)).data == {"id": "ann", "kind": "user", "name": "Ann", "handle": None}
    unseen = {"id": "ben", "kind": "user", "name": "ben", "handle": None}
    assert (await parley.service.having(X_Entity_Id="ben").get(me)).data == unseen


async def test_what_is_not_named_stays(parley: Parley) -> None:
    """A name leaves the handle alone, and a handle the name; null gives a handle up."""
    ann = await parley.user("ann")
    await rename(ann, handle="lee")
    called = {"id": "ann", "kind": "user", "name": "Ann", "handle": "lee"}
    assert (await rename(ann, name="Ann")).data == called
    for body in ({}, {"name": None}):
        assert (await rename(ann, **body)).refusal == (400, "VALIDATION_ERROR")
    assert (await rename(ann, name=None, handle=None)).data == {**called, "handle": None}
    assert (await rename(await parley.user("ben"), handle="lee")).status == 200


async def test_a_name_is_mentioned_as_it_is_now(parley: Parley) -> None:
    """Whoever has been renamed is no longer found under the old name."""
    ann = await parley.user("ann", "Ann Lee")
    channel_id = await parley.service.new_channel("talk", "ann")
    await rename(ann, name="Ann Smith")
    said = (await parley.service.submit(channel_id, '@"ann lee" @"ann smith"', author_id="ann")).data
    assert [entry["text"] for entry in said["mentions"]] == ['@"ann smith"']


@pytest.mark.parametrize("handle", ["lee", "LEE", "\uff2cee", "User-2", "Ben"])
async def test_a_handle_is_nobody_elses(parley: Parley, handle: str) -> None:
    """Neither another's handle nor another's id, however it is written; the holder keeps its own."""
    ann, user_2 = await parley.user("ann"), await parley.user("user-2")
    await parley.user("ben")
    assert (await rename(user_2, handle="Lee")).status == 200
    refused = await rename(ann, name="changed", handle=handle)
    assert refused.refusal == (400, "VALIDATION_ERROR")
    assert "is taken" in refused.error["details"]
    assert (await rename(ann, handle="free")).data["name"] == "ann"
    assert (await rename(user_2, handle="User-2")).status == 200


@pytest.mark.parametrize(
    "handle",
    ["a", "a" * 33, "a b", "@ann", "a:b", "ann.", "-ann", "a/b", "a\nb", "", 5, "\u202eann", "a\0b"],
)
async def test_a_handle_follows_the_rule(parley: Parley, handle: Any) -> None:
    """What could not be told from the text around it is refused, and changes nothing."""
    ann = await parley.user("ann")
    await rename(ann, handle="lee")
    assert (await rename(ann, handle=handle)).refusal == (400, "VALIDATION_ERROR")
    assert (await rename(ann, name="Ann")).data["handle"] == "lee"


@pytest.mark.parametrize("handle", ["ab", "a" * 32, "čeněk", "_a_", "a.b-c_d", "42"])
async def test_a_handle_may_be(parley: Parley, handle: str) -> None:
    """Letters of every script, digits, and three signs; it can be mentioned at the end of a sentence."""
    ann = await parley.user("ann")
    channel_id = await parley.service.new_channel("talk", "ann")
    assert (await rename(ann, handle=handle)).data["handle"] == handle
    said = (await parley.service.submit(channel_id, f"Is it @{handle}?", author_id="ann")).data
    assert [entry["id"] for entry in said["mentions"]] == ["ann"]


async def test_only_a_service_with_the_scope_names_others(parley: Parley) -> None:
    """Users, agents and services without entities:write are refused; nobody can be named who is not known."""
    await parley.user("ben")
    trusted = await parley.restricted_service(Scope.ENTITIES_WRITE)
    other = await parley.restricted_service(*(set(Scope) - {Scope.ENTITIES_WRITE}))
    for client in (await parley.user("ann"), await parley.agent("bot"), other):
        assert (await rename(client, "ben", name="x")).refusal == (403, "PERMISSION_DENIED")
    assert (await rename(trusted, "ben", name="Ben", handle="benny")).data["handle"] == "benny"
    for nobody in ("nobody", "no%20body", "%00", "x" * 129):
        assert (await rename(trusted, nobody, name="x")).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_whoever_was_never_seen_may_begin_with_a_handle(start: Any) -> None:
    """In open mode, an entity that a client states is registered when it names itself."""
    parley = await start(auth="open")
    ann = parley.anonymous.having(X_Entity_Id="ann")
    assert (await rename(ann, handle="lee")).data == {
        "id": "ann",
        "kind": "user",
        "name": "ann",
        "handle": "lee",
    }
