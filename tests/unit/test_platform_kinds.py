"""Each kind of platform: whose requests are its own, what is read in them, and how replies are put."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest

from rooms.errors import ValidationFailed
from rooms.parcels import Letter
from rooms.platform_tables import Platform
from rooms.platforms import KINDS
from tests import platforms
from tests.platforms import SECRETS, SIGN, Knock, said

NOW = 1_700_000_000
OTHER = dict(zip(SIGN, reversed(list(SIGN)), strict=True))  # another kind for each


def is_genuine(kind: str, knock: Knock, secret: str | None = None) -> bool:
    """Tell whether a request is taken for the platform's."""
    one = KINDS[kind]
    value = SECRETS[kind][one.proof] if secret is None else secret
    return one.is_timely(knock.headers, NOW) and one.is_genuine(knock.headers, knock.body, value.encode())


def hear(kind: str, body: Any) -> Any:
    """Read a body."""
    return KINDS[kind].hear(body if isinstance(body, bytes) else orjson.dumps(body), {}, NOW)


def write(kind: str, text: str, address: dict[str, Any], done: int = 0, *, later: int = 0) -> Letter | None:
    """Put a reply."""
    one = KINDS[kind]
    platform = Platform(id="p", kind=kind, agent_id="bot", api_url=one.api_url or "https://bridge.example/in")
    now = (NOW + later) * 1000
    needed = one.needs(address, now)
    secrets = {use: value.encode() for use, value in SECRETS[kind].items() if use in needed}
    return one.write(platform, secrets, {**address, "deliveryId": "d"}, text, done, now)


def written(kind: str, text: str, done: int = 0, **options: Any) -> Letter:
    """Put a reply to what Ann has said, which must give something to send."""
    address = hear(kind, said(kind, now=NOW).body).said[0].address
    letter = write(kind, text, address, done, **options)
    assert letter is not None
    return letter


@pytest.mark.parametrize("kind", SIGN)
def test_what_the_platform_signs_is_its_own(kind: str) -> None:
    """And nobody else's: another body, another secret, and another platform's headers are forged."""
    knock = said(kind, now=NOW)
    assert is_genuine(kind, knock)
    if kind != "telegram":  # whose token is for all bodies
        assert not is_genuine(kind, knock.saying(knock.body + b" "))
    assert not is_genuine(kind, said(OTHER[kind], now=NOW))
    assert not is_genuine(kind, knock, "00" * 32)
    assert not is_genuine(kind, knock, "another")
    assert not is_genuine(kind, Knock(knock.body, {}))


@pytest.mark.parametrize("kind", SIGN)
@pytest.mark.parametrize("bad", ["", "x", "v1,", "sha256=", "ü", "\udcff", "0" * 128, "x" * 5_000])
def test_a_signature_of_another_form_is_forged(kind: str, bad: str) -> None:
    """Whatever stands in its place is no fault of ours."""
    name = next(iter(said(kind, now=NOW).headers if kind != "webhook" else ["webhook-signature"]))
    assert not is_genuine(kind, said(kind, now=NOW).having(**{name: bad}))


@pytest.mark.parametrize("kind", ["discord", "webhook"])
@pytest.mark.parametrize(("seconds", "is_taken"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signature_is_good_for_five_minutes(kind: str, seconds: int, is_taken: bool) -> None:
    """Where platforms sign the time: what was signed long ago, or for later, is not read."""
    assert is_genuine(kind, said(kind, now=NOW + seconds)) is is_taken


@pytest.mark.parametrize("bad", ["", "now", "-1", "1e9", "1700000000.5", "²", "9" * 400])
@pytest.mark.parametrize("name", ["x-signature-timestamp", "webhook-timestamp"])
def test_a_time_is_a_number_of_seconds(name: str, bad: str) -> None:
    """Anything else is no time."""
    kind = "discord" if name.startswith("x") else "webhook"
    assert not KINDS[kind].is_timely(said(kind, now=NOW).having(**{name: bad}).headers, NOW)


@pytest.mark.parametrize("kind", SIGN)
def test_who_says_what_is_read(kind: str) -> None:
    """With the platform's ids, and the name by which the user is known there."""
    (one,) = hear(kind, said(kind, "How are you?", 3, now=NOW).body).said
    assert (one.content, one.user_id) == ("How are you?", "5")
    assert one.display_name in ("Ann", "Ann Lee")
    assert one.message_id in ("10003", "3", "m3")
    assert one.channel_id in ("42", "-100", "5", "room")


@pytest.mark.parametrize("kind", SIGN)
@pytest.mark.parametrize(
    "bad", [b"", b"{", b"null", b"[]", b"5", b'"x"', b"\xff", b'{"type":[]}', b"[" * 9_999]
)
def test_garbage_is_refused(kind: str, bad: bytes) -> None:
    """A body that is signed, and not of the platform's form, is refused as such, or says nothing."""
    with contextlib.suppress(ValidationFailed):
        assert not hear(kind, bad).said


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"name": "help", "type": 1}, "/help"),
        ({"name": "ask", "options": [{"value": "a"}, {"value": 2}, {"value": True}]}, "a 2 True"),
        ({"name": "ask", "options": [{"name": "sub", "options": [{"value": "deep"}]}]}, "deep"),
        (
            {
                "name": "read",
                "type": 3,
                "target_id": "8",
                "resolved": {"messages": {"8": {"content": "this"}}},
            },
            "this",
        ),
        ({"name": "read", "type": 3, "target_id": "9"}, "/read"),
    ],
)
def test_a_command_of_discord_says_its_values(data: dict[str, Any], text: str) -> None:
    """Or the message that it was used on, or its name where it has no values."""
    assert hear("discord", platforms.command(data=data)).said[0].content == text


def test_discord_is_answered_at_once() -> None:
    """A ping with a pong; whoever writes directly is a user, no member; only commands are taken."""
    assert hear("discord", {"id": "1", "application_id": "2", "type": 1}).answer == {"type": 1}
    direct = platforms.command(member=None, user={"id": "6", "username": "ben"})
    (one,) = hear("discord", direct).said
    assert (one.user_id, one.display_name) == ("6", "ben")
    for changes in ({"type": 3}, {"member": None}, {"channel_id": None}, {"data": None}, {"id": "1; DROP"}):
        with pytest.raises(ValidationFailed):
            hear("discord", platforms.command(**changes))


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 1},
        {"update_id": 1, "edited_message": platforms.update()["message"]},
        {"update_id": 1, "callback_query": {"id": "1"}},
        platforms.update(""),
        platforms.update(**{"from": {"id": 6, "is_bot": True, "first_name": "Bot"}}),
    ],
)
def test_updates_of_telegram_that_nobody_says_are_passed_over(update: dict[str, Any]) -> None:
    """Edits, buttons, stickers, and what other bots write."""
    assert not hear("telegram", update).said


def test_a_caption_is_what_a_picture_says_and_a_topic_is_a_channel_of_its_own() -> None:
    """In a forum of Telegram each topic is a conversation, and the reply goes there."""
    body = platforms.update("", caption="look", message_thread_id=7, is_topic_message=True)
    (one,) = hear("telegram", body).said
    assert (one.content, one.channel_id) == ("look", "-100/7")
    letter = write("telegram", "I see", one.address)
    assert letter is not None
    assert orjson.loads(letter.body)["message_thread_id"] == 7


def test_an_account_of_x_does_not_answer_itself() -> None:
    """It is told of its own messages too, and answers none that may be one."""
    assert not hear("twitter", platforms.activity(sender="99")).said
    anybodys = platforms.activity()
    del anybodys["for_user_id"]
    assert not hear("twitter", anybodys).said
    assert not hear("twitter", {"for_user_id": "99", "follow_events": [{}]}).said


def test_the_challenge_of_x_is_answered_and_signs_nothing_else() -> None:
    """Its answer is the signature of a body of the same text: no text that events could have is signed."""
    secret = SECRETS["twitter"]["consumer_secret"].encode()
    token = "9b4507b3-9040-4669-9ca3-6b94edb50553"
    assert KINDS["twitter"].challenge(token, secret) == {
        "response_token": platforms.twitter_signature(token.encode())
    }
    for text in ("{}", '{"for_user_id":"99"}', "[]", "", "a b", "x" * 257, "1\n"):
        assert KINDS["twitter"].challenge(text, secret) is None
    assert KINDS["telegram"].challenge(token, secret) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"userId": "5" * 5_000},
        {"userId": ""},
        {"channelId": None},
        {"messageId": "x" * 129},
        {"messageId": "a\0b"},
        {"metadata": {"a b": 1}},
        {"metadata": []},
        {"attachments": [{"url": "ftp://x/"}]},
        {"displayName": "x" * 257},
        {"context": {"a": "x" * 70_000}},
    ],
)
def test_the_general_form_is_held_to(changes: dict[str, Any]) -> None:
    """As an external message's fields are, a user id of 5,000 characters among them."""
    with pytest.raises(ValidationFailed):
        hear("webhook", platforms.post(**changes))


@pytest.mark.parametrize("kind", ["discord", "telegram", "twitter"])
@pytest.mark.parametrize("field", ["user", "chat"])
def test_ids_of_5000_characters_are_no_ids(kind: str, field: str) -> None:
    """Though they are signed."""
    long = "5" * 5_000
    bodies: dict[str, Any] = {
        "discord": platforms.command(
            **({"user": {"id": long}, "member": None} if field == "user" else {"channel_id": long})
        ),
        "telegram": orjson.dumps(platforms.update()).replace(
            b'"id":5' if field == "user" else b'"id":-100', f'"id":{long}'.encode()
        ),
        "twitter": platforms.activity(sender=long),
    }
    with pytest.raises(ValidationFailed):
        hear(kind, bodies[kind])


def test_discord_has_the_deferred_answer_filled_in_and_followed_up() -> None:
    """A long reply in parts of 2,000; nobody is called by it."""
    text = "word " * 500
    first, second = written("discord", text), written("discord", text, 1)
    assert (first.method, first.url) == (
        "PATCH",
        "https://discord.com/api/v10/webhooks/777/interaction-1/messages/@original",
    )
    assert (second.method, second.url) == ("POST", "https://discord.com/api/v10/webhooks/777/interaction-1")
    assert (first.is_last, second.is_last) == (False, True)
    bodies = [orjson.loads(letter.body) for letter in (first, second)]
    assert all(body["allowed_mentions"] == {"parse": []} for body in bodies)
    assert " ".join(body["content"] for body in bodies) == text.strip()
    assert "Authorization" not in first.headers


def test_discord_is_told_when_there_is_no_reply_and_gets_a_message_when_it_is_late() -> None:
    """An answer that stays deferred would look as if it came; after a quarter of an hour none can."""
    silent, late = written("discord", ""), written("discord", "at last", later=900)
    assert (silent.method, silent.url[-9:]) == ("DELETE", "@original")
    assert late.url == "https://discord.com/api/v10/channels/42/messages"
    assert late.headers["Authorization"] == "Bot discord-token"
    address = {"application_id": "7", "token": "t", "channel_id": "42", "at": NOW * 1000}
    platform = Platform(id="p", kind="discord", agent_id="bot", api_url="https://discord.com")
    assert KINDS["discord"].write(platform, {}, address, "too late", 0, (NOW + 900) * 1000) is None


def test_telegram_is_sent_a_message_that_answers_the_users() -> None:
    """In parts of 4,096 UTF-16 units, of which the first answers it."""
    first, second = written("telegram", "ab " * 1_500), written("telegram", "ab " * 1_500, 1)
    assert first.url == f"https://api.telegram.org/bot{SECRETS['telegram']['bot_token']}/sendMessage"
    bodies = [orjson.loads(letter.body) for letter in (first, second)]
    assert bodies[0]["reply_parameters"] == {"message_id": 1, "allow_sending_without_reply": True}
    assert "reply_parameters" not in bodies[1]
    assert [body["chat_id"] for body in bodies] == [-100, -100]
    assert (first.is_last, second.is_last) == (False, True)


def test_x_is_sent_a_direct_message() -> None:
    """With the user's token, or signed by OAuth 1.0a where the secrets for that are there."""
    letter = written("twitter", "hello Ann")
    assert letter.url == "https://api.x.com/2/dm_conversations/with/5/messages"
    assert orjson.loads(letter.body) == {"text": "hello Ann"}
    assert letter.headers["Authorization"] == "Bearer user-token"
    secrets = {
        "consumer_key": b"ck",
        "consumer_secret": b"cs",
        "access_token": b"at",
        "access_token_secret": b"ats",
    }
    platform = Platform(id="p", kind="twitter", agent_id="bot", api_url="https://api.x.com")
    signed = KINDS["twitter"].write(platform, secrets, {"user_id": "5"}, "hello", 0, 0)
    assert signed is not None
    assert signed.headers["Authorization"].startswith("OAuth ")
    assert 'oauth_consumer_key="ck"' in signed.headers["Authorization"]


def test_a_signed_post_is_whole_and_verifies_as_what_comes_in_does() -> None:
    """Whoever can verify one direction can verify the other."""
    letter = written("webhook", "x" * 40_000)
    headers = {name.lower(): value for name, value in letter.headers.items()}
    assert is_genuine("webhook", Knock(letter.body, headers))
    body = orjson.loads(letter.body)
    assert (body["messageId"], body["channelId"], len(body["response"])) == ("m1", "room", 40_000)


@pytest.mark.parametrize("kind", ["telegram", "twitter", "webhook"])
def test_nothing_is_sent_where_nothing_is_said(kind: str) -> None:
    """Nor behind the last part."""
    address = hear(kind, said(kind, now=NOW).body).said[0].address
    assert write(kind, "", address) is None
    assert write(kind, "short", address, 1) is None


def test_what_could_be_a_path_in_a_token_stays_in_its_place() -> None:
    """An interaction's token is the platform's text, and leads nowhere else."""
    address = {"application_id": "7", "token": "../../x?y#z", "channel_id": "4", "at": NOW * 1000}
    letter = write("discord", "hello", address)
    assert letter is not None
    assert letter.url.endswith("/webhooks/7/..%2F..%2Fx%3Fy%23z/messages/@original")
