"""Reads what a node has stored from its file, without the program that stored it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from chaos.history import Entry, Log, Stay, Stored
from rooms.rules import DEFAULT_SERVER_ID

_SERVER = "SELECT epoch, floor_seq, seq FROM servers WHERE id = ?"
_ENTRIES = "SELECT seq, kind, channel_id, message_id FROM events WHERE server_id = ? ORDER BY seq"
_STAYS = (
    "SELECT entity_id, channel_id, joined_seq, left_seq FROM participants "
    "WHERE channel_id IN (SELECT id FROM channels WHERE server_id = ?)"
)
_MESSAGES = "SELECT id, author_id, content, deleted_at IS NOT NULL FROM messages WHERE server_id = ?"


def read(file: Path) -> Log:
    """Return the default server's log, from a database that nobody writes to."""
    own = (DEFAULT_SERVER_ID,)
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        epoch, floor, top = database.execute(_SERVER, own).fetchone()
        return Log(
            epoch,
            floor,
            top,
            [Entry._make(row) for row in database.execute(_ENTRIES, own)],
            [Stay._make(row) for row in database.execute(_STAYS, own)],
            [Stored._make(row) for row in database.execute(_MESSAGES, own)],
        )
