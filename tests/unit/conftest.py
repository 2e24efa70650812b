"""The databases that the domain is tested on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rooms import database as databases
from rooms.database import Database
from tests.migrated import lay_out
from tests.unit.abroad import Abroad, going_abroad
from tests.unit.posting import Post, posting
from tests.unit.staging import Stage, staged


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of a database of each kind, with today's schema and nothing in it."""
    if request.param == "sqlite":
        lay_out(tmp_path / "parley.db")
        return f"sqlite:///{tmp_path / 'parley.db'}"
    url: str = request.getfixturevalue("migrated_postgres")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of a database of each kind that has no schema yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'parley.db'}"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a database with today's schema and nothing in it."""
    database = databases.connect(database_url)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    """Give a channel with two users and an agent, on each kind of database."""
    async with staged(database) as stage:
        yield stage


@pytest.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    """Give a channel whose agent has a webhook, with a receiver behind it that accepts everything."""
    async with posting(database) as post:
        yield post


@pytest.fixture
async def abroad(post: Post) -> AsyncIterator[Abroad]:
    """Give platforms to connect for an agent, with a fake API that accepts everything."""
    async with going_abroad(post) as abroad:
        yield abroad
