"""Platforms as tests play them: what each kind sends, signed as it would, and an API that takes replies."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DISCORD_KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
POSTS_KEY = b"the thirty-two bytes of a secret"

# The values of the secrets, by kind and use.
SECRETS: Mapping[str, Mapping[str, str]] = {
    "discord": {
        "public_key": DISCORD_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex(),
        "bot_token": "discord-token",
    },
    "telegram": {"secret_token": "telegram-door", "bot_token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5"},
    "twitter": {"consumer_secret": "consumer-secret", "access_token": "user-token"},
    "webhook": {"secret": "whsec_" + base64.b64encode(POSTS_KEY).decode()},
}


@dataclass(frozen=True)
class Knock:
    """A request as a platform sends it."""

    body: bytes
    headers: dict[str, str]

    def having(self, **headers: str | None) -> Knock:
        """Return the same with other headers, or without those that are None; ``_`` stands for ``-``."""
        changed = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Knock(self.body, {name: value for name, value in changed.items() if value is not None})

    def saying(self, body: bytes) -> Knock:
        """Return another body under the same signature."""
        return Knock(body, self.headers)


def discord(body: Any, now: float) -> Knock:
    """Return a request that Discord signs."""
    raw, time = _raw(body), str(int(now))
    signature = DISCORD_KEY.sign(time.encode() + raw).hex()
    return Knock(raw, {"x-signature-ed25519": signature, "x-signature-timestamp": time})


def telegram(body: Any, _now: float) -> Knock:
    """Return a request with Telegram's token."""
    token = SECRETS["telegram"]["secret_token"]
    return Knock(_raw(body), {"x-telegram-bot-api-secret-token": token})


def twitter(body: Any, _now: float) -> Knock:
    """Return a request that X signs."""
    raw = _raw(body)
    return Knock(raw, {"x-twitter-webhooks-signature": twitter_signature(raw)})


def twitter_signature(text: bytes) -> str:
    """Return what X, and whoever answers its challenges, makes of a text."""
    digest = hmac.digest(SECRETS["twitter"]["consumer_secret"].encode(), text, hashlib.sha256)
    return f"sha256={base64.b64encode(digest).decode()}"


def webhook(body: Any, now: float, delivery: str = "msg_1") -> Knock:
    """Return a request signed as Standard Webhooks are."""
    raw, time = _raw(body), str(int(now))
    digest = hmac.digest(POSTS_KEY, f"{delivery}.{time}.".encode() + raw, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return Knock(raw, {"webhook-id": delivery, "webhook-timestamp": time, "webhook-signature": signature})


def command(content: str = "hello", number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a slash command with one option that somebody has used on Discord."""
    return {
        "id": str(10_000 + number),
        "application_id": "777",
        "type": 2,
        "token": f"interaction-{number}",
        "channel_id": "42",
        "member": {"user": {"id": "5", "username": "ann", "global_name": "Ann"}, "nick": None},
        "data": {
            "id": "1",
            "name": "ask",
            "type": 1,
            "options": [{"name": "q", "type": 3, "value": content}],
        },
        **changes,
    }


def update(content: str = "hello", number: int = 1, now: float = 0.0, **changes: Any) -> dict[str, Any]:
    """Return an update of Telegram with a message of Ann's."""
    message = {
        "message_id": number,
        "date": int(now),
        "chat": {"id": -100, "type": "group"},
        "from": {"id": 5, "is_bot": False, "first_name": "Ann", "last_name": "Lee"},
        "text": content,
        **changes,
    }
    return {"update_id": 9_000 + number, "message": message}


def activity(content: str = "hello", number: int = 1, now: float = 0.0, sender: str = "5") -> dict[str, Any]:
    """Return an account's activity on X: a direct message."""
    create = {
        "target": {"recipient_id": "99"},
        "sender_id": sender,
        "message_data": {"text": content, "entities": {}},
    }
    event = {
        "type": "message_create",
        "id": str(number),
        "created_timestamp": str(int(now * 1000)),
        "message_create": create,
    }
    users = {"5": {"id": "5", "name": "Ann", "screen_name": "ann"}}
    return {"for_user_id": "99", "direct_message_events": [event], "users": users}


def post(content: str = "hello", number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a message in the general form."""
    ids = {"messageId": f"m{number}", "channelId": "room", "userId": "5"}
    return {**ids, "content": content, "displayName": "Ann", **changes}


SIGN: Mapping[str, Callable[[Any, float], Knock]] = {
    "discord": discord,
    "telegram": telegram,
    "twitter": twitter,
    "webhook": webhook,
}


def said(kind: str, content: str = "hello", number: int = 1, *, now: float) -> Knock:
    """Return what a kind of platform sends when Ann says something there."""
    bodies: dict[str, Any] = {
        "discord": command(content, number),
        "telegram": update(content, number, now),
        "twitter": activity(content, number, now),
        "webhook": post(content, number),
    }
    return SIGN[kind](bodies[kind], now)


@dataclass
class Sent:
    """A request that the platform's API got."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON of the request."""
        return orjson.loads(self.raw)


@dataclass
class FakeApi:
    """A platform's API: it keeps what it is sent, and answers what the test wants."""

    sent: list[Sent] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """Keep a request; give the next answer that is wished for, or accept."""
        self.sent.append(Sent(request.method, request.path, request.headers, await request.read()))
        self.arrived.set()
        return self.answers.pop(0) if self.answers else web.json_response({"ok": True})


def _raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)
