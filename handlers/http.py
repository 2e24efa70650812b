"""What the handlers of REST requests are given, and what the tables of routes say of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import hdrs, web
from multidict import MultiDict, MultiMapping
from pydantic import BaseModel

from handlers.connection import Audience
from handlers.credentials import Credentials
from handlers.draining import Draining
from handlers.following import Followers
from handlers.limits import Limits
from handlers.logbook import Logbook
from handlers.wire import Dialect
from rooms import rules
from rooms.context import Context
from rooms.principals import Principal

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands before the domain on every door."""

    ctx: Context
    credentials: Credentials
    limits: Limits
    draining: Draining
    followers: Followers
    audience: Audience
    logs: Logbook


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """One authenticated request, with its body as the route's schema."""

    gate: Gate
    request: web.Request
    principal: Principal
    dialect: Dialect
    body: B

    @property
    def ctx(self) -> Context:
        """The domain's surroundings."""
        return self.gate.ctx

    @property
    def path(self) -> Mapping[str, str]:
        """What the variable parts of the URL's path say, by their names."""
        return {name: _readable(text) for name, text in self.request.match_info.items()}

    @property
    def query(self) -> MultiMapping[str]:
        """The parameters behind the URL's path."""
        query = self.request.query
        return MultiDict((name, _readable(text)) for name, text in query.items())

    def path_id(self, name: str) -> str:
        """Return the id of that name in the URL's path, in the spelling in which ids are stored."""
        return self.path[name].lower()

    @property
    def agent_id(self) -> str:
        """Which agent the URL's path names."""
        return rules.entity_id(self.path["agent_id"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers with another status than its route's, or with headers of its own."""

    data: Any
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the route table."""

    method: str
    path: str
    handler: Callable[[Call[Any]], Awaitable[Any]]
    summary: str
    answer: type[BaseModel] | None  # what stands in ``data``; None for an answer without a body
    body: type[BaseModel] | None = None
    status: int = 200
    public: bool = False  # asks for no credential
    follows: bool = False  # takes a ticket in place of a credential
    waits: bool = False  # with the parameter ``wait``, repeating it is charged by the minute
    is_polled: bool = False  # repeating it is always charged by the minute
    streams: bool = False  # costs nothing while it goes on with a reply
    is_bare: bool = False  # answers without ``success`` and ``data``, as elizaOS's clients expect
    takes_file: bool = False  # reads its body by itself
    guards_itself: bool = False  # is public, and charges by itself
    aliases: tuple[str, ...] = ()  # other spellings of the path
    deprecated: tuple[str, ...] = ()  # spellings that clients should no longer use


def dialect(request: web.BaseRequest) -> Dialect:
    """Tell by the header of the credential whether a request is as documented, or as elizaOS's clients'."""
    bearer = request.headers.get(hdrs.AUTHORIZATION, "")[:7].lower() == "bearer "
    return Dialect.SEED if bearer else Dialect.ELIZA


def _readable(text: str) -> str:
    """Return another control character for NUL: as little is found by it, and PostgreSQL can look for it."""
    return text.replace("\0", "\x01")
