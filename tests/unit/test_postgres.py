"""PostgreSQL that does not answer: bounded waits, and starts that end with a sentence."""

import pytest
from sqlalchemy import select, text

from rooms import database
from rooms.database import Work
from rooms.errors import Unavailable
from tests.running import run_parley

PASSWORD = "secret-word"


async def test_a_statement_that_takes_too_long_is_given_up(postgres_url: str) -> None:
    """Reading and writing alike answer Unavailable in the end, and the pool goes on."""
    sleep: Work[object] = lambda connection: connection.execute(text("SELECT pg_sleep(60)"))  # noqa: E731
    opened = database.connect(postgres_url, patience=1.0)
    try:
        for attempt in (opened.read, opened.write):
            with pytest.raises(Unavailable):
                await attempt(sleep)
        assert await opened.read(lambda connection: connection.execute(select(1)).scalar()) == 1
    finally:
        await opened.close()


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("migrate",), ("check",), ("keys", "list")])
async def test_a_database_that_is_away_is_named_without_its_password(command: tuple[str, ...]) -> None:
    """Every command ends with status 1 and one sentence; there is no traceback."""
    url = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/chat"
    status, said = await run_parley(*command, DATABASE_URL=url)
    assert status == 1
    (sentence,) = said.strip().splitlines()
    assert sentence.startswith("parley: DATABASE_URL=postgresql://ann:***@127.0.0.1:1/chat: ")
    assert PASSWORD not in sentence


async def test_a_password_among_the_parameters_is_refused_and_not_repeated() -> None:
    """It would be seen wherever the address is."""
    url = f"postgresql://ann@127.0.0.1:1/chat?password={PASSWORD}"
    status, said = await run_parley("check", DATABASE_URL=url)
    assert status == 1
    assert said.startswith("parley: DATABASE_URL: has the parameter 'password'")
    assert PASSWORD not in said


async def test_a_database_that_does_not_exist_is_named(postgres_url: str) -> None:
    """What PostgreSQL says is passed on, since it tells what to correct."""
    url = postgres_url.rpartition("/")[0] + "/nowhere"
    status, said = await run_parley("serve", "--port", "0", DATABASE_URL=url)
    assert status == 1
    (sentence,) = said.strip().splitlines()
    assert 'database "nowhere" does not exist' in sentence
