"""How statements are run.

Statements without a condition that depends on the call are module constants: building one and finding
its cached form costs three times what running it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import BindParameter, Connection, Select, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel import SQLModel

import rooms.external_tables
import rooms.job_tables
import rooms.platform_tables
import rooms.run_tables
import rooms.session_tables
import rooms.tables
import rooms.vault_tables  # noqa: F401 - each fills the metadata

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


class Bulk:
    """A statement that changes many rows, whose parameters go to the driver as they are.

    Each row is a tuple in the order of ``names``; JSON in it must be encoded already. That costs a
    third of what SQLAlchemy's own conversion of each row does.
    """

    def __init__(self, statement: UpdateBase, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = list(names)
        self._sql: dict[str, str] = {}  # by dialect

    def __call__(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run the statement once for each row."""
        sql = self._sql.get(connection.dialect.name) or self._compile(connection.dialect)
        connection.exec_driver_sql(sql, list(rows))

    def _compile(self, dialect: Dialect) -> str:
        # An INSERT learns its columns here; an UPDATE has named its parameters already.
        columns = self._names if self._statement.is_insert else None
        compiled = self._statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - as every statement's is
        assert compiled.positiontup == self._names, compiled.positiontup  # noqa: S101
        sql = self._sql[dialect.name] = str(compiled)
        return sql
