"""The schema's version: bringing a database up to it, and telling whether it is there."""

from __future__ import annotations

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from rooms.database import Database

_SCRIPTS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


async def upgrade(database: Database) -> None:
    """Apply every migration that the database has not seen, in one transaction."""

    def work(connection: Connection) -> None:
        if _is_current(connection):
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    await database.write(work)


async def is_current(database: Database) -> bool:
    """Tell whether the database has exactly this version's schema."""
    return await database.read(_is_current)


def _is_current(connection: Connection) -> bool:
    return set(MigrationContext.configure(connection).get_current_heads()) == _heads()


@functools.cache
def _heads() -> set[str]:
    return set(ScriptDirectory.from_config(_config()).get_heads())
