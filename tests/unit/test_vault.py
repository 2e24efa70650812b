"""The vault: what is in the database, when a secret is opened, and how its uses are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from rooms import database as databases
from rooms import retention, uses, vault, webhooks
from rooms.database import Database
from rooms.retention import Retention
from rooms.sealing import Sealer
from rooms.store.vault import UseFilter
from rooms.transaction import Transaction, one_by_one
from rooms.uses import Noted, Opening, Outcome, Purpose, Use
from rooms.vault_tables import VaultUse
from tests.unit.journaling import SERVICE
from tests.unit.posting import Post
from tests.unit.test_migrations import migrate

VALUE = "what only the vault knows"
USE = Use("token", "bot", Purpose.REPLY, "somewhere")
SECRET = "an operator's secret of some length"


async def keep(post: Post, *agent_ids: str) -> None:
    """Keep a secret that may be used for the agents."""
    await vault.put(post.ctx, SERVICE, "token", VALUE)
    for agent_id in agent_ids:
        await vault.grant(post.ctx, SERVICE, "token", agent_id)


async def opened(post: Post, use: Use = USE) -> Opening:
    """Open the secret within a commit."""
    return await post.ctx.journal.append_one(_open_all, (post.ctx.sealer, use))


def _open(transaction: Transaction, asked: tuple[Sealer | None, Use]) -> Opening:
    return uses.open_secret(transaction, *asked)


_open_all = one_by_one(_open)


async def told(post: Post, wanted: UseFilter = UseFilter("token")) -> Sequence[VaultUse]:  # noqa: B008
    """Return the uses that were written down, the newest first."""
    return await uses.list_page(post.ctx, SERVICE, wanted, None, 50)


async def test_a_secret_is_encrypted_and_opened_for_its_agent(post: Post) -> None:
    """The database has no byte of it in clear; whoever it is granted to may have it used."""
    await keep(post, "bot")

    def read(connection: Connection) -> bytes:
        query = text("SELECT sealed FROM vault_secrets WHERE name = 'token'")
        return bytes(connection.execute(query).scalar_one())

    assert VALUE.encode() not in await post.ctx.database.read(read)
    assert await opened(post) == Opening(Outcome.OPENED, VALUE.encode())


async def test_what_is_opened_is_not_shown(post: Post) -> None:
    """A log or a traceback with an opening in it tells nothing."""
    await keep(post, "bot")
    assert VALUE not in repr(await opened(post))


async def test_a_secret_is_opened_for_nobody_else(post: Post) -> None:
    """An agent without the grant, one whose grant was withdrawn, another name, another PARLEY_SECRET."""
    await keep(post, "bot")
    await post.add_agent("other")
    assert await opened(post, USE._replace(agent_id="other")) == Opening(Outcome.NOT_GRANTED)
    assert await opened(post, USE._replace(name="unknown")) == Opening(Outcome.MISSING)
    for sealer in (None, Sealer("another secret, set after the first one")):
        post.ctx = replace(post.ctx, sealer=sealer)
        assert await opened(post) == Opening(Outcome.UNREADABLE)
    await vault.withdraw(post.ctx, SERVICE, "token", "bot")
    assert await opened(post) == Opening(Outcome.NOT_GRANTED)


async def test_a_secret_that_was_moved_to_another_name_cannot_be_read(post: Post) -> None:
    """Whoever may write to the table alone makes no secret of another kind out of one."""
    await keep(post, "bot")
    await vault.put(post.ctx, SERVICE, "other", "less secret")
    move = text(
        "UPDATE vault_secrets SET sealed = (SELECT sealed FROM vault_secrets WHERE name = 'other')"
        " WHERE name = 'token'"
    )
    await post.ctx.database.write(lambda connection: connection.execute(move))
    assert await opened(post) == Opening(Outcome.UNREADABLE)


async def test_each_use_is_told_and_those_of_a_minute_together(post: Post) -> None:
    """As long as they are alike: another outcome or another minute is another line."""
    await keep(post, "bot")
    await post.add_agent("other")
    post.now = 1_700_000_040.0  # where a minute begins
    for _ in range(3):
        await opened(post)
        post.now += 10
    await opened(post, USE._replace(agent_id="other"))
    post.now += 60
    await opened(post)
    lines = [(one.agent_id, one.outcome, one.times, one.last_at - one.first_at) for one in await told(post)]
    assert lines == [("bot", "opened", 1, 0), ("other", "not_granted", 1, 0), ("bot", "opened", 3, 20_000)]


async def test_what_is_checked_with_a_secret_is_told_with_what_came_of_it(post: Post) -> None:
    """A forgery is told apart from what was good."""
    await uses.tell(post.ctx, Noted(USE._replace(purpose=Purpose.INCOMING), Outcome.FORGED))
    (line,) = await told(post)
    assert (line.purpose, line.outcome, line.subject) == ("incoming", "forged", "somewhere")


async def test_uses_are_found_by_name_and_agent_and_read_page_by_page(post: Post) -> None:
    """The newest first, from before the last one of the page before."""
    for number in range(3):
        await opened(post, USE._replace(name=f"s{number}"))
    found = await told(post, UseFilter())
    assert [one.name for one in found] == ["s2", "s1", "s0"]
    older = await uses.list_page(post.ctx, SERVICE, UseFilter(), found[0].id, 1)
    assert [one.name for one in older] == ["s1"]
    assert [one.name for one in await told(post, UseFilter("s1", "bot"))] == ["s1"]
    assert await told(post, UseFilter("s1", "other")) == []


async def test_a_delivery_to_a_webhook_is_a_use(post: Post) -> None:
    """Each attempt is told before it is made, with the host that it goes to."""
    post.answering(500)
    await post.sent()
    await post.work()
    await post.work(2)
    (line,) = await told(post, UseFilter(webhooks.secret_name("bot")))
    assert (line.agent_id, line.purpose, line.outcome, line.times) == ("bot", "webhook", "opened", 2)
    assert post.url.endswith(line.subject)


async def test_uses_outlive_their_secret_and_are_forgotten_with_the_log(post: Post) -> None:
    """What was done with a secret can be read when it is gone, as long as events are kept."""
    await keep(post, "bot")
    await opened(post)
    await vault.remove(post.ctx, SERVICE, "token")
    assert len(await told(post)) == 1
    post.now += 31 * 24 * 60 * 60
    await opened(post)
    assert [count async for count in retention.forget(post.ctx, Retention(days=30, events=0))]
    assert [line.outcome for line in await told(post)] == ["missing"]


@pytest.mark.parametrize("days", [0, 60])
async def test_uses_are_kept_as_long_as_the_operator_says(post: Post, days: int) -> None:
    """For as many days as events are, or for good."""
    await opened(post)
    post.now += 31 * 24 * 60 * 60
    assert [count async for count in retention.forget(post.ctx, Retention(days=days, events=0))] == []
    assert len(await told(post)) == 1


async def test_the_secrets_of_earlier_webhooks_move_into_the_vault(empty_url: str) -> None:
    """They are granted to their agents, and open as they did."""
    store = databases.connect(empty_url)
    sealer = Sealer(SECRET)
    try:
        await store.write(lambda connection: migrate(connection, "0005"))
        await _have_webhook(store, sealer.seal(b"key", "bot"))
        await store.write(lambda connection: migrate(connection, "head"))
        use = Use("webhook:bot", "bot", Purpose.WEBHOOK, "")
        opening = await store.read(lambda connection: uses.peek(connection, sealer, use))
    finally:
        await store.close()
    assert opening == Opening(Outcome.OPENED, b"key")


async def _have_webhook(store: Database, sealed: bytes) -> None:
    def work(connection: Connection) -> None:
        agent = (
            "INSERT INTO entities (id, kind, name, created_at, name_key) VALUES ('bot', 'agent', '', 0, '')"
        )
        connection.execute(text(agent))
        webhook = "INSERT INTO webhooks (agent_id, url, secret, created_at) VALUES ('bot', '', :sealed, 0)"
        connection.execute(text(webhook), {"sealed": sealed})

    await store.write(work)


async def test_uses_that_are_told_at_once_are_counted(post: Post) -> None:
    """However many of them one commit takes, and whatever others it takes."""
    others = [Noted(USE._replace(agent_id="other"), Outcome.FORGED)] * 2
    await asyncio.gather(*(uses.tell(post.ctx, one) for one in [Noted(USE, Outcome.OPENED)] * 30 + others))
    lines = {(line.agent_id, line.times) for line in await told(post)}
    assert lines == {("bot", 30), ("other", 2)}
