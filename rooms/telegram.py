"""Telegram: updates of a bot by its webhook, and replies by its Bot API."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from pydantic import Field

from rooms.external import Received
from rooms.parcels import Letter
from rooms.platform_kind import Address, Answer, Heard, Said, Secrets, Wire, read
from rooms.platform_tables import Platform
from rooms.splitting import split

HEADER = "x-telegram-bot-api-secret-token"
MAX_TEXT = 4_096

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,256}")

_Number = Annotated[int, Field(ge=-(2**62), lt=2**62)]  # Telegram's have 52 bits


class _User(Wire):
    id: _Number
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str | None = None


class _Chat(Wire):
    id: _Number


class _Message(Wire):
    message_id: _Number
    date: _Number
    chat: _Chat
    sender: Annotated[_User | None, Field(alias="from")] = None
    message_thread_id: _Number | None = None
    is_topic_message: bool = False
    text: str = ""
    caption: str = ""


class _Update(Wire):
    update_id: _Number
    message: _Message | None = None


class Telegram:
    """The Bot API's webhooks, which carry a token that was given with ``setWebhook``."""

    required = frozenset({"secret_token", "bot_token"})
    optional = frozenset[str]()
    proof = "secret_token"
    api_url = "https://api.telegram.org"
    longest = MAX_TEXT

    def find_flaw(self, proof: bytes) -> str | None:
        """Return what is wrong with the token, if Telegram would not take it."""
        if _TOKEN.fullmatch(proof):
            return None
        return "must be 1 to 256 letters, digits, '_' or '-': Telegram takes no other"

    def is_timely(self, headers: Mapping[str, str], _now: int) -> bool:
        """Tell whether there is a token; Telegram says no time."""
        return HEADER in headers

    def is_genuine(self, headers: Mapping[str, str], _body: bytes, secret: bytes) -> bool:
        """Tell whether it is the right one."""
        return hmac.compare_digest(headers[HEADER].encode("utf-8", "surrogateescape"), secret)

    def hear(self, body: bytes, _headers: Mapping[str, str], _now: int) -> Heard:
        """Read an update: a message that a person has written, and nothing of the others."""
        message: _Message | None = read(_Update, body).message
        if message is None or message.sender is None or message.sender.is_bot:
            return Heard()
        text = message.text or message.caption
        return Heard([_said(message, message.sender, text)] if text else [])

    def challenge(self, _token: str, _secret: bytes) -> Answer | None:
        """Return None: Telegram asks for nothing."""
        return None

    def accept(self, _received: Received) -> Answer:
        """Return nothing: the reply comes later."""
        return {}

    def refuse(self, said: Said, why: str) -> Answer | None:
        """Return a message to the user, which Telegram takes as an answer to its request."""
        return {"method": "sendMessage", **_target(said.address), "text": why}

    def after_silence(self, address: Address) -> Address:
        """Return the same: nothing was said there."""
        return address

    def needs(self, _address: Address, _now: int) -> frozenset[str]:
        """Return the bot's token."""
        return frozenset({"bot_token"})

    def write(
        self, platform: Platform, secrets: Secrets, address: Address, text: str, done: int, _now: int
    ) -> Letter | None:
        """Return the next ``sendMessage``, the first of which answers the user's message."""
        parts = split(text, MAX_TEXT)
        if done >= len(parts):
            return None
        target = _target(address) if done == 0 else _place(address)
        told = {**target, "text": parts[done]}
        return _call(platform, secrets, "sendMessage", told, is_last=done == len(parts) - 1)


def registration(platform: Platform, secrets: Secrets, url: str) -> Letter:
    """Return the ``setWebhook`` that has Telegram send what is said to a bot to the URL."""
    told = {
        "url": url,
        "secret_token": secrets["secret_token"].decode(),
        "allowed_updates": ["message"],
    }
    return _call(platform, secrets, "setWebhook", told)


def find_complaint(answer: bytes) -> str:
    """Return what Telegram says is wrong with a request that it does not take, if it says that."""
    try:
        told = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return ""
    return str(told.get("description", "")) if isinstance(told, dict) else ""


def _call(
    platform: Platform, secrets: Secrets, method: str, told: dict[str, Any], *, is_last: bool = True
) -> Letter:
    """Return a call of the Bot API."""
    token = quote(secrets["bot_token"], safe=":")
    url = f"{platform.api_url}/bot{token}/{method}"
    return Letter("POST", url, {"Content-Type": "application/json"}, orjson.dumps(told), is_last)


def _said(message: _Message, sender: _User, text: str) -> Said:
    thread = message.message_thread_id if message.is_topic_message else None
    chat = str(message.chat.id)
    name = f"{sender.first_name} {sender.last_name}".strip() or sender.username
    return Said(
        message_id=str(message.message_id),
        channel_id=chat if thread is None else f"{chat}/{thread}",
        user_id=str(sender.id),
        content=text,
        address={"chat_id": message.chat.id, "message_id": message.message_id, "thread_id": thread},
        display_name=name or None,
        said_at=message.date * 1000,
    )


def _place(address: Address) -> dict[str, Any]:
    """Return where to say something."""
    thread = {} if address["thread_id"] is None else {"message_thread_id": address["thread_id"]}
    return {"chat_id": address["chat_id"], **thread}


def _target(address: Address) -> dict[str, Any]:
    """Return where to say something that answers a message, if that is still there."""
    reply = {"message_id": address["message_id"], "allow_sending_without_reply": True}
    return {**_place(address), "reply_parameters": reply}
