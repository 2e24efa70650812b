"""How statements are run.

Statements without a condition that depends on the call are module constants: building one and finding
its cached form costs three times what running it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, insert
from sqlmodel import SQLModel

R = TypeVar("R")
Row = dict[str, Any]
Pair = tuple[str, str]

tables = SQLModel.metadata.tables


def any_of(name: str) -> BindParameter[Any]:
    """Return a parameter that stands for a list, to be used with ``in_``."""
    return bindparam(name, expanding=True)


def fetch_all(connection: Connection, statement: Select[Any], row: type[R], **values: Any) -> list[R]:
    """Return every row, as what reads like ``row``."""
    return cast(list[R], connection.execute(statement, values).all())


def fetch_first(connection: Connection, statement: Select[Any], row: type[R], **values: Any) -> R | None:
    """Return the first row, or None."""
    return cast(R | None, connection.execute(statement, values).first())


class BulkInsert:
    """An INSERT whose rows go to the driver as they are: tuples in the order of ``columns``.

    JSON must be encoded already. It costs a third of what SQLAlchemy's own conversion of each row does.
    """

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._statement = insert(table)
        self._columns = list(columns)
        self._sql: dict[str, str] = {}  # by dialect

    def __call__(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert the rows."""
        sql = self._sql.get(connection.dialect.name)
        if sql is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            sql = self._sql[connection.dialect.name] = str(compiled)
        connection.exec_driver_sql(sql, list(rows))
