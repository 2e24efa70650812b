"""What every use case needs, built once when the process is assembled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from rooms import arrivals, store
from rooms.arrivals import Arrival, Visitor
from rooms.cursors import CursorSigner
from rooms.database import Database
from rooms.gathering import Gathering
from rooms.journal import Clock, Journal
from rooms.policy import Policy
from rooms.rows import Session
from rooms.sealing import Sealer
from rooms.streams import Streams
from rooms.tables import ApiKey, Entity, Server
from rooms.tail import Tail

MAX_REPLAYS = 3  # fewer than the database has readers, so that others are served meanwhile


@dataclass(frozen=True, slots=True)
class Context:
    """The domain's surroundings.

    ``tail`` is what this node has delivered, ``streams`` are the replies that it is being told. ``homes``
    remembers which server each channel that was used belongs to, which never changes. ``replays`` bounds
    how many pages of logs are read at once. ``keys`` (by digest), ``valid_keys``, ``entities``,
    ``servers``, ``sessions`` (by id) and ``arrivals`` are look-ups that requests share. ``sealer`` is None
    where the operator has set no secret to encrypt under.
    """

    database: Database
    journal: Journal
    clock: Clock
    cursors: CursorSigner
    tail: Tail
    policy: Policy = field(default_factory=Policy)
    sealer: Sealer | None = None
    replays: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_REPLAYS))
    homes: dict[str, str] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    keys: Gathering[bytes, ApiKey] = field(init=False)
    valid_keys: Gathering[str, bool] = field(init=False)
    entities: Gathering[str, Entity] = field(init=False)
    servers: Gathering[str, Server] = field(init=False)
    sessions: Gathering[str, Session] = field(init=False)
    arrivals: Gathering[Visitor, Arrival] = field(init=False)

    def __post_init__(self) -> None:
        """Build the look-ups that requests share."""
        object.__setattr__(self, "keys", Gathering(self.database, store.keys.find))
        object.__setattr__(self, "valid_keys", Gathering(self.database, store.keys.find_valid))
        object.__setattr__(self, "entities", Gathering(self.database, store.entities.find))
        object.__setattr__(self, "servers", Gathering(self.database, store.servers.find))
        object.__setattr__(self, "sessions", Gathering(self.database, store.sessions.find))
        object.__setattr__(self, "arrivals", Gathering(self.database, arrivals.look_up))

    def now(self) -> int:
        """Return the time in epoch milliseconds."""
        return int(self.clock() * 1000)
