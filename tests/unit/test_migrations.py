"""Migrations: what earlier versions have stored is understood by this one."""

from __future__ import annotations

from alembic import command
from sqlalchemy import Connection, insert, text

from rooms import database, schema, store

# Who answers whom, and who was deleted; in the order in which they were said.
ANSWERS = {"a": None, "b": "a", "c": "b", "d": "a", "e": None, "f": "e", "gone": "a"}


async def test_answers_of_earlier_versions_are_in_threads(empty_url: str) -> None:
    """Each knows where its thread begins, however deep it stands, and the beginning counts them."""
    opened = database.connect(empty_url)
    try:
        await opened.write(lambda connection: migrate(connection, "0003"))
        await opened.write(_say)
        await opened.write(lambda connection: migrate(connection, "head"))
        found = await opened.read(lambda connection: store.messages.find(connection, list(ANSWERS)))
    finally:
        await opened.close()
    roots = {message.id: message.root_id for message in found.values()}
    assert roots == {"a": None, "b": "a", "c": "a", "d": "a", "e": None, "f": "e", "gone": "a"}
    assert {message.id: message.reply_count for message in found.values() if message.reply_count} == {
        "a": 3,
        "e": 1,
    }


def migrate(connection: Connection, revision: str) -> None:
    """Bring the database up to a revision."""
    config = schema._config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _say(connection: Connection) -> None:
    for statement in (
        "INSERT INTO entities (id, kind, name, created_at) VALUES ('ann', 'user', 'Ann', 0)",
        "INSERT INTO servers (id, name, source_type, details, epoch, seq, floor_seq, created_at, updated_at)"
        " VALUES ('s', 's', '', '{}', 0, 0, 0, 0, 0)",
    ):
        connection.execute(text(statement))
    channel = {"id": "c", "server_id": "s", "name": "c", "type": "text"}
    connection.execute(insert(store.channels.table), channel)
    say = text(
        "INSERT INTO messages (id, server_id, channel_id, seq, author_id, by_agent, content, source_type,"
        " parent_id, raw_message, details, attachments, created_at, updated_at, deleted_at)"
        " VALUES (:id, 's', 'c', :seq, 'ann', :no, '', '', :parent, '{}', '{}', '[]', 0, 0, :deleted)"
    )
    for seq, (message_id, parent) in enumerate(ANSWERS.items(), 1):
        deleted = 1 if message_id == "gone" else None
        row = {"id": message_id, "seq": seq, "parent": parent, "no": False, "deleted": deleted}
        connection.execute(say, row)
