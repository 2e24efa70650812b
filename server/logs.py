"""Logging: structured lines that never carry a secret or what somebody said."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

import structlog


def configure() -> None:
    """Send every log record of the process through one formatter, to standard error."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _keep_frames_only,
    ]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(colors=handler.stream.isatty()),
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("aiohttp", "engineio", "socketio", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _keep_frames_only(
    _logger: object, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Show an exception as its type and frames: its message may quote what a client sent."""
    info = event.pop("exc_info", None)
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        info = info or record.exc_info
        record.exc_info = None
        record.exc_text = None
    if isinstance(info, tuple) and info[0] is not None:
        event["exception"] = _frames(info[0], info[2])
    return event


def _frames(kind: type[BaseException], trace: TracebackType | None) -> str:
    return "".join(traceback.format_tb(trace)) + kind.__qualname__
