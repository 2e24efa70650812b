"""Discord: interactions that an application is sent by HTTP, and replies by their follow-up webhooks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field

from rooms import runs
from rooms.errors import ValidationFailed
from rooms.external import Received
from rooms.parcels import Letter
from rooms.platform_kind import Address, Answer, Heard, Said, Secrets, Wire, is_recent, read
from rooms.platform_tables import Platform
from rooms.splitting import split

SIGNATURE, TIMESTAMP = "x-signature-ed25519", "x-signature-timestamp"
MAX_TEXT = 2_000
TOKEN_MS = 14 * 60_000  # of the fifteen minutes for which Discord takes follow-ups
PING, COMMAND = 1, 2
PONG, MESSAGE, DEFERRED = 1, 4, 5
MESSAGE_COMMAND = 3  # is used on a message, and not written
EPHEMERAL = 64
AGENT = "DiscordBot (Parley, 1)"  # whoever is named otherwise is turned away

_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")
_SNOWFLAKE = r"^[0-9]{1,20}$"

_Snowflake = Annotated[str, Field(pattern=_SNOWFLAKE)]


class _User(Wire):
    id: _Snowflake
    username: str = ""
    global_name: str | None = None


class _Member(Wire):
    user: _User
    nick: str | None = None


class _Option(Wire):
    value: Any = None
    options: list[_Option] = Field(default_factory=list)


class _Meant(Wire):
    content: str = ""


class _Resolved(Wire):
    messages: dict[str, _Meant] = Field(default_factory=dict)


class _Command(Wire):
    name: str
    type: int = 1
    options: list[_Option] = Field(default_factory=list)
    target_id: str | None = None
    resolved: _Resolved = Field(default_factory=_Resolved)


class _Interaction(Wire):
    id: _Snowflake
    type: int
    application_id: _Snowflake
    token: Annotated[str, Field(max_length=512)] = ""
    channel_id: _Snowflake | None = None
    member: _Member | None = None
    user: _User | None = None
    data: _Command | None = None


class Discord:
    """Interactions, signed with the application's Ed25519 key."""

    required = frozenset({"public_key"})
    optional = frozenset({"bot_token"})
    proof = "public_key"
    api_url = "https://discord.com/api/v10"
    longest = 6_000  # of an option

    def find_flaw(self, proof: bytes) -> str | None:
        """Return what is wrong with the key, if it is none."""
        try:
            _key(proof)
        except ValueError:
            return "must be a public key of Ed25519: the 64 hexadecimal digits on the application's page"
        return None

    def is_timely(self, headers: Mapping[str, str], now: int) -> bool:
        """Tell whether there is a signature, and of these minutes."""
        is_signed = _SIGNATURE.fullmatch(headers.get(SIGNATURE, "")) is not None
        return is_signed and is_recent(headers.get(TIMESTAMP), now)

    def is_genuine(self, headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
        """Tell whether the signature is the application's over time and body."""
        try:
            _key(secret).verify(bytes.fromhex(headers[SIGNATURE]), headers[TIMESTAMP].encode() + body)
        except (InvalidSignature, ValueError):
            return False
        return True

    def hear(self, body: bytes, _headers: Mapping[str, str], now: int) -> Heard:
        """Read an interaction: a ping, or a command that somebody has used."""
        interaction: _Interaction = read(_Interaction, body)
        if interaction.type == PING:
            return Heard(answer={"type": PONG})
        if interaction.type != COMMAND:
            raise ValidationFailed("Only commands are answered here, no other interactions")
        return Heard([_said(interaction, now)])

    def challenge(self, _token: str, _secret: bytes) -> Answer | None:
        """Return None: Discord's challenge is the ping."""
        return None

    def accept(self, received: Received) -> Answer:
        """Return that the reply comes later, or that there will be none."""
        run = received.run
        if run is None or (runs.is_over(run) and run.state != runs.State.COMPLETED):
            return _whisper("Nobody answers here at the moment")
        return {"type": DEFERRED}

    def refuse(self, _said: Said, why: str) -> Answer | None:
        """Return a message that only the user sees."""
        return _whisper(why)

    def after_silence(self, address: Address) -> Address:
        """Return the same, with a note that the deferred answer was taken back."""
        return {**address, "is_taken_back": True}

    def needs(self, address: Address, now: int) -> frozenset[str]:
        """Return the bot's token, once the interaction's own has expired."""
        return frozenset({"bot_token"} if _is_too_late(address, now) else ())

    def write(
        self, platform: Platform, secrets: Secrets, address: Address, text: str, done: int, now: int
    ) -> Letter | None:
        """Return what fills in the deferred answer, and follows it up; by a message once that is too late."""
        is_too_late = _is_too_late(address, now)
        hook = f"/webhooks/{address['application_id']}/{quote(address['token'], safe='')}"
        parts = split(text, MAX_TEXT)
        is_deferred = "is_taken_back" not in address
        if not parts and done == 0 and is_deferred and not is_too_late:
            return _letter(platform, "DELETE", f"{hook}/messages/@original")
        if done >= len(parts) or (is_too_late and "bot_token" not in secrets):
            return None
        is_last = done == len(parts) - 1
        if is_too_late:
            path = f"/channels/{address['channel_id']}/messages"
            return _letter(platform, "POST", path, parts[done], is_last, secrets["bot_token"])
        if done == 0 and is_deferred:
            return _letter(platform, "PATCH", f"{hook}/messages/@original", parts[0], is_last)
        return _letter(platform, "POST", hook, parts[done], is_last)


def _key(proof: bytes) -> Ed25519PublicKey:
    """Return the key; raise ValueError if it is none."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(proof.decode()))


def _is_too_late(address: Address, now: int) -> bool:
    return bool(now - address["at"] > TOKEN_MS)


def _said(interaction: _Interaction, now: int) -> Said:
    user = interaction.member.user if interaction.member else interaction.user
    if user is None or interaction.channel_id is None or interaction.data is None:
        raise ValidationFailed("A command must say what it is, who has used it, and where")
    nick = interaction.member.nick if interaction.member else None
    return Said(
        message_id=interaction.id,
        channel_id=interaction.channel_id,
        user_id=user.id,
        content=_text(interaction.data),
        address={
            "application_id": interaction.application_id,
            "token": interaction.token,
            "channel_id": interaction.channel_id,
            "at": now * 1000,
        },
        display_name=nick or user.global_name or user.username or None,
    )


def _text(command: _Command) -> str:
    """Return what a command says: the message it was used on, its values, or its name if it has none."""
    if command.type == MESSAGE_COMMAND and (meant := command.resolved.messages.get(command.target_id or "")):
        return meant.content or f"/{command.name}"
    return " ".join(_values(command.options)) or f"/{command.name}"


def _values(options: list[_Option]) -> Iterator[str]:
    for option in options:
        if option.value is not None:
            yield str(option.value)
        yield from _values(option.options)


def _whisper(text: str) -> Answer:
    data = {"content": text, "flags": EPHEMERAL, "allowed_mentions": {"parse": []}}
    return {"type": MESSAGE, "data": data}


def _letter(
    platform: Platform,
    method: str,
    path: str,
    text: str | None = None,
    is_last: bool = True,
    token: bytes | None = None,
) -> Letter:
    """Return a request; what an agent says calls nobody, whomever it names."""
    headers = {"User-Agent": AGENT}
    if token is not None:
        headers["Authorization"] = f"Bot {token.decode()}"
    if text is None:
        return Letter(method, f"{platform.api_url}{path}", headers)
    body = orjson.dumps({"content": text, "allowed_mentions": {"parse": []}})
    headers["Content-Type"] = "application/json"
    return Letter(method, f"{platform.api_url}{path}", headers, body, is_last)
