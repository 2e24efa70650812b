"""Mentions: ``@handle``, ``@"a name"`` and ``@[a name](id)`` in what is said, and whom they mean.

Only who may read the channel can be mentioned in it; whatever means nobody is plain text. A name that
several participants have means none of them, and the message says so.
"""

from __future__ import annotations

import enum
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from rooms import access, store
from rooms.rows import Mentionable, Message
from rooms.rules import entity_id, name_key
from rooms.tables import Channel

MAX_MENTIONS = 50  # of one message; further ones are plain text
MAX_NAME = 256
MAX_ID = 128
AMBIGUOUS = "ambiguous"

# Behind one of these, or a letter or a digit, an @ stands within a word, an address or a URL.
_JOINING = frozenset("_-.+/=%@")
_IN_WORDS = frozenset("_-.:")  # beside letters and digits, in handles and ids
_TRAILING = "-.:"  # what ends a sentence is no part of the word before it

Entry = dict[str, Any]


class Form(enum.Enum):
    """How somebody is mentioned."""

    WORD = "@handle"
    NAME = '@"a name"'
    ID = "@[a name](id)"


class Token(NamedTuple):
    """A part of a text that may be a mention; ``name`` is the handle, the name or the id in it."""

    text: str
    name: str
    form: Form


def find_tokens(text: str) -> list[Token]:
    """Return the first different tokens of a text, so many at most as there may be mentions."""
    found: dict[Token, None] = {}
    for token in _Scanner(text).tokens():
        found[token] = None
        if len(found) == MAX_MENTIONS:
            break
    return list(found)


class _Scanner:
    """Reads a text once, from its beginning to its end; so its closing signs are looked for once, too."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._signs: dict[str, int] = {}  # where each stands next

    def tokens(self) -> Iterator[Token]:
        at = self._text.find("@")
        while at >= 0:
            token = self._read(at) if self._begins_word(at) else None
            if token is not None:
                yield token
            at = self._text.find("@", at + (len(token.text) if token else 1))

    def _begins_word(self, at: int) -> bool:
        return at == 0 or not (_is_letter(self._text[at - 1]) or self._text[at - 1] in _JOINING)

    def _read(self, at: int) -> Token | None:
        sign = self._text[at + 1] if at + 1 < len(self._text) else ""
        if sign == '"':
            return self._read_name(at)
        return self._read_id(at) if sign == "[" else self._read_word(at)

    def _read_word(self, at: int) -> Token | None:
        end = at + 1
        while end < len(self._text) and (_is_letter(self._text[end]) or self._text[end] in _IN_WORDS):
            end += 1
        # An id is never longer; and what an @ follows is an address, or nothing.
        if end - at > MAX_ID + 1 or self._text[end : end + 1] == "@":
            return None
        text = self._text[at:end].rstrip(_TRAILING)
        return Token(text, text[1:], Form.WORD) if len(text) > 1 else None

    def _read_name(self, at: int) -> Token | None:
        name = self._up_to('"', at + 2, MAX_NAME)
        return Token(f'@"{name}"', name, Form.NAME) if name else None

    def _read_id(self, at: int) -> Token | None:
        name = self._up_to("]", at + 2, MAX_NAME)
        if name is None or "[" in name:
            return None
        opening = at + 3 + len(name)
        if self._text[opening : opening + 1] != "(":
            return None
        who = self._up_to(")", opening + 1, MAX_ID)
        return Token(f"@[{name}]({who})", who, Form.ID) if who else None

    def _up_to(self, sign: str, begin: int, most: int) -> str | None:
        """Return what stands before the next such sign, if that is in the same line and not too far."""
        end = self._next(sign, begin)
        # Its length is known before anything is copied.
        if not 0 <= end - begin <= most or 0 <= self._next("\n", begin) < end:
            return None
        return self._text[begin:end]

    def _next(self, sign: str, begin: int) -> int:
        known = self._signs.get(sign, 0)
        if 0 <= known < begin or sign not in self._signs:
            known = self._signs[sign] = self._text.find(sign, begin)
        return known


def _is_letter(sign: str) -> bool:
    """Tell whether a sign is a letter, a digit, or the mark that belongs to one."""
    return sign.isalnum() or unicodedata.category(sign)[0] == "M"


class Directory:
    """Who may be mentioned by the tokens of some texts, looked up at once."""

    def __init__(self, tokens: Mapping[str, Sequence[Token]], found: Iterable[Mentionable] = ()) -> None:
        self._tokens = tokens
        self._by_id: dict[str, Mentionable] = {}
        self._by_handle: dict[str, Mentionable] = {}
        self._by_name: dict[tuple[str, str], list[Mentionable]] = defaultdict(list)
        self._present: set[tuple[str, str]] = set()
        for known in found:
            self._by_id[known.id] = known
            if known.handle_key is not None:
                self._by_handle[known.handle_key] = known
            if known.channel_id is not None:
                self._by_name[known.channel_id, known.name_key].append(known)
                self._present.add((known.channel_id, known.id))

    def resolve(self, channel: Channel, text: str) -> list[Entry]:
        """Return what a message of this text mentions in the channel, in the order of the text.

        An entry has the ``text`` of the mention and the ``id`` and ``name`` of who is meant, or a name
        that means nobody, and the ``reason``.
        """
        entries: dict[str, Entry] = {}
        for token in self._tokens.get(text, ()):
            entry = self._entry(channel, token)
            if entry is not None:
                entries.setdefault(entry.get("id") or f"{AMBIGUOUS} {name_key(token.name)}", entry)
        return list(entries.values())

    def _entry(self, channel: Channel, token: Token) -> Entry | None:
        known = self._find(channel, token)
        if known is not None:
            return {"text": token.text, "id": known.id, "name": known.name}
        if token.form is Form.ID:
            return None
        named = self._named(channel, token)
        if len(named) > 1:
            return {"text": token.text, "name": token.name, "reason": AMBIGUOUS}
        return {"text": token.text, "id": named[0].id, "name": named[0].name} if named else None

    def _find(self, channel: Channel, token: Token) -> Mentionable | None:
        """Return who has the handle, or else the id."""
        by_id = self._by_id.get(entity_id(token.name)) if token.form is not Form.NAME else None
        by_handle = self._by_handle.get(name_key(token.name)) if token.form is Form.WORD else None
        return next((known for known in (by_handle, by_id) if known and self._may_read(channel, known)), None)

    def _named(self, channel: Channel, token: Token) -> list[Mentionable]:
        named = self._by_name.get((channel.id, name_key(token.name)), [])
        return [known for known in named if self._may_read(channel, known)]

    def _may_read(self, channel: Channel, known: Mentionable) -> bool:
        return access.may_be_told(channel, known.kind, is_present=(channel.id, known.id) in self._present)


def look_up(connection: Connection, texts: Iterable[tuple[str, str]]) -> Directory:
    """Return who may be mentioned in the texts, each given behind its channel's id.

    Texts without a mention cost no statement.
    """
    tokens: dict[str, list[Token]] = {}
    channel_ids = set()
    for channel_id, text in texts:
        if "@" in text and (found := find_tokens(text)):
            tokens[text] = found
            channel_ids.add(channel_id)
    if not tokens:
        return Directory({})
    every = {token for found in tokens.values() for token in found}
    handles = {name_key(token.name) for token in every if token.form is Form.WORD}
    names = {name_key(token.name) for token in every if token.form is not Form.ID}
    ids = {entity_id(token.name) for token in every if token.form is not Form.NAME}
    return Directory(tokens, store.mentions.find_mentionable(connection, handles, ids, names, channel_ids))


def entity_ids(message: Message) -> list[str]:
    """Return the ids of all whom a stored message mentions, its author perhaps among them."""
    return [entry["id"] for entry in message.mentions if "id" in entry]


def told(message: Message) -> list[str]:
    """Return the ids of those who are to be told that the message mentions them."""
    return [who for who in entity_ids(message) if who != message.author_id] if message.mentions else []


def keep(connection: Connection, messages: Iterable[Message]) -> None:
    """Remember who is mentioned where, for messages that are stored."""
    rows = [
        {
            "message_id": message.id,
            "entity_id": who,
            "channel_id": message.channel_id,
            "seq": message.seq,
        }
        for message in messages
        for who in told(message)
    ]
    if rows:
        store.mentions.add(connection, rows)


def renew(connection: Connection, before: Message, now: Message) -> list[str]:
    """Remember what a message mentions since it was changed; return who is mentioned only now."""
    earlier = told(before)
    if earlier:
        store.mentions.forget(connection, [before.id])
    keep(connection, [now])
    return [who for who in told(now) if who not in earlier]
