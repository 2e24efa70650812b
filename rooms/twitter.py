"""X, formerly Twitter: direct messages by the Account Activity API, and replies by its API v2."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
from oauthlib.oauth1 import Client
from pydantic import Field

from rooms.external import Received
from rooms.parcels import Letter
from rooms.platform_kind import Address, Answer, Heard, Said, Secrets, Wire, read
from rooms.platform_tables import Platform
from rooms.splitting import split

HEADER = "x-twitter-webhooks-signature"
MAX_TEXT = 10_000
MESSAGE = "message_create"

# What is answered to a challenge is what a body of the same text would be signed with: none that could be
# the JSON of events may be answered.
_CHALLENGE = re.compile(r"[A-Za-z0-9_.~=-]{1,256}")

_Id = Annotated[str, Field(pattern=r"^[0-9]{1,24}$")]


class _Data(Wire):
    text: str = ""


class _Create(Wire):
    sender_id: _Id
    message_data: _Data


class _Event(Wire):
    type: str
    id: _Id
    created_timestamp: int
    message_create: _Create | None = None


class _Profile(Wire):
    name: str = ""
    screen_name: str = ""


class _Activity(Wire):
    for_user_id: str | None = None  # the account
    direct_message_events: list[_Event] = Field(default_factory=list)
    users: dict[str, _Profile] = Field(default_factory=dict)


class Twitter:
    """Account activity, signed with the application's consumer secret."""

    required = frozenset({"consumer_secret", "access_token"})
    optional = frozenset({"consumer_key", "access_token_secret"})
    proof = "consumer_secret"
    api_url = "https://api.x.com"
    longest = MAX_TEXT

    def find_flaw(self, _proof: bytes) -> str | None:
        """Return None: it is any text."""
        return None

    def is_timely(self, headers: Mapping[str, str], _now: int) -> bool:
        """Tell whether there is a signature; X signs no time, but each message has one."""
        return HEADER in headers

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
        """Tell whether it is the one over the body."""
        stated = headers[HEADER].encode("utf-8", "surrogateescape")
        return hmac.compare_digest(stated, _sign(body, secret).encode())

    def hear(self, body: bytes, _headers: Mapping[str, str], _now: int) -> Heard:
        """Read what has happened to an account: direct messages to it, and nothing of the rest."""
        return Heard(list(_messages(read(_Activity, body))))

    def challenge(self, token: str, secret: bytes) -> Answer | None:
        """Return the token, signed; None if it could be something else than a token."""
        if _CHALLENGE.fullmatch(token) is None:
            return None
        return {"response_token": _sign(token.encode(), secret)}

    def accept(self, _received: Received) -> Answer:
        """Return nothing: the reply comes later."""
        return {}

    def refuse(self, _said: Said, _why: str) -> Answer | None:
        """Return nothing: X tells its users nothing of an answer, and sends what is refused again."""
        return {}

    def after_silence(self, address: Address) -> Address:
        """Return the same: nothing was said there."""
        return address

    def needs(self, _address: Address, _now: int) -> frozenset[str]:
        """Return all: which of them are there decides how it is signed."""
        return self.required | self.optional

    def write(
        self, platform: Platform, secrets: Secrets, address: Address, text: str, done: int, _now: int
    ) -> Letter | None:
        """Return the next direct message."""
        parts = split(text, MAX_TEXT)
        if done >= len(parts):
            return None
        url = f"{platform.api_url}/2/dm_conversations/with/{address['user_id']}/messages"
        headers = {"Content-Type": "application/json", "Authorization": _authorization(url, secrets)}
        return Letter("POST", url, headers, orjson.dumps({"text": parts[done]}), done == len(parts) - 1)


def _sign(text: bytes, secret: bytes) -> str:
    return "sha256=" + base64.b64encode(hmac.digest(secret, text, hashlib.sha256)).decode()


def _messages(activity: _Activity) -> Iterator[Said]:
    for event in activity.direct_message_events:
        create = event.message_create
        if event.type != MESSAGE or create is None or not create.message_data.text:
            continue
        # An account is told of its own messages, too: whose is not told might be one, and not end.
        if activity.for_user_id in (None, create.sender_id):
            continue
        sender = activity.users.get(create.sender_id, _Profile())
        yield Said(
            message_id=event.id,
            channel_id=create.sender_id,
            user_id=create.sender_id,
            content=create.message_data.text,
            address={"user_id": create.sender_id},
            display_name=sender.name or sender.screen_name or None,
            said_at=event.created_timestamp,
        )


def _authorization(url: str, secrets: Secrets) -> str:
    """Return OAuth 1.0a's header where its four secrets are there, OAuth 2.0's otherwise."""
    known = {name: value.decode() for name, value in secrets.items()}
    if "consumer_key" not in known or "access_token_secret" not in known:
        return f"Bearer {known['access_token']}"
    client = Client(
        known["consumer_key"],
        client_secret=known["consumer_secret"],
        resource_owner_key=known["access_token"],
        resource_owner_secret=known["access_token_secret"],
    )
    headers: dict[str, Any] = client.sign(url, "POST")[1]
    return str(headers["Authorization"])
