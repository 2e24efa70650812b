"""Run the migrations on the connection that the program hands over."""

from alembic import context
from sqlmodel import SQLModel

import rooms.run_tables
import rooms.session_tables
import rooms.tables  # noqa: F401 - both fill the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=False,  # the caller's transaction holds
)
context.run_migrations()
