"""The OpenAPI description, generated from the route table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from handlers import (
    agent_wire,
    answers,
    approval_wire,
    external_wire,
    job_wire,
    post_wire,
    run_wire,
    session_wire,
    title_wire,
    transcript_wire,
    webhook_wire,
)
from handlers.http import Route

_PARAMETERS = re.compile(r"{(\w+)}")
_NO_NAME = re.compile(r"\W+")
_EVENTS_QUERY = {
    "server_id": "whose log, the default server's unless told",
    "channel_id": "only these channels: repeated, or separated by commas",
    "after": "the cursor to go on from; without one, from now on",
    "wait": "answer within so many seconds, at most 55; without it the answer is a stream",
    "limit": "with wait: how many events at most, 100 unless told, at most 500",
    "ticket": "in place of a credential",
}
_INBOX_QUERY = {name: meaning for name, meaning in _EVENTS_QUERY.items() if name != "channel_id"}
_WAIT_QUERY = {"wait": "answer once it is over, or within so many seconds, at most 55"}
_DELIVERIES_QUERY = {
    "state": "only those in this state: queued, delivered, dead, redelivered or obsolete",
    "limit": "page size, 50 unless told, at most 200",
    "before": "only older ones than the delivery with this id",
}
_HISTORY_QUERY = {
    "limit": "page size, 50 unless told, at most 200",
    "offset": "how many messages to pass over",
    "before": "only older ones: epoch milliseconds, ISO 8601 or a cursor",
    "after": "only newer ones: epoch milliseconds, ISO 8601 or a cursor",
    "order": "asc or desc",
}
_APPROVALS_QUERY = {
    "state": "requested unless told, several separated by commas",
    "limit": "how many at most, 50 unless told, at most 200",
}

_SESSIONS_QUERY = {
    "userId": "only this user's",
    "agentId": "only those with this agent",
    "status": "active or expired; both unless told",
    "limit": "page size, 50 unless told, at most 200",
    "before": "only older ones than the session with this id",
}
_TRANSCRIPT_QUERY = {
    "limit": "page size, 50 unless told, at most 100",
    "before": "only older ones: epoch milliseconds or ISO 8601",
    "after": "only newer ones: epoch milliseconds or ISO 8601",
}
_TITLE_QUERY = {
    "limit": "how many of the newest messages are read, 50 unless told, at most 200",
    "before": "only older ones: epoch milliseconds, ISO 8601 or a cursor",
}
_SENT_QUERY = {"wait": "with the transport http: for how many seconds, 25 unless told, at most 55"}
_JOBS_QUERY = {
    "status": "only those that are so: pending, processing, completed, failed or timeout",
    "limit": "how many at most, 50 unless told, at most 200",
}
_PROCESSED_QUERY = {"wait": "for how many seconds, 30 unless told, at most 55; as the header Prefer: wait=N"}

_FILE = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
_QUERIES: dict[type[BaseModel], dict[str, str]] = {
    answers.Events: _EVENTS_QUERY,
    answers.History: _HISTORY_QUERY,
    agent_wire.Agents: {"server_id": "only those that take part in a channel of it"},
    run_wire.Inbox: _INBOX_QUERY,
    webhook_wire.Deliveries: _DELIVERIES_QUERY,
    approval_wire.Approvals: _APPROVALS_QUERY,
    session_wire.Sessions: _SESSIONS_QUERY,
    title_wire.Title: _TITLE_QUERY,
    post_wire.Posted: _SENT_QUERY,
    transcript_wire.Sent: _SENT_QUERY,
    external_wire.Processed: _PROCESSED_QUERY,
    job_wire.Jobs: _JOBS_QUERY,
    transcript_wire.Transcript: _TRANSCRIPT_QUERY,
}


def serve(routes: Sequence[Route]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that answers the description."""
    body = orjson.dumps(describe(routes))

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return answer


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the routes as an OpenAPI 3.1 document."""
    schemas = _Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in (route.path, *route.aliases, *route.deprecated):
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Parley", "version": version("parley"), "license": {"name": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
            },
        },
        "security": [{"bearer": []}, {"apiKey": []}],
    }


class _Schemas:
    """The JSON schemas of every body and answer, and how to refer to them."""

    def __init__(self, routes: Sequence[Route]) -> None:
        wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(answers.Failure, "serialization")]
        for route in routes:
            if route.answer is not None:
                wanted.append((route.answer, "serialization"))
            if route.body is not None:
                wanted.append((route.body, "validation"))
        self._refs, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
        self.definitions = definitions["$defs"]

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
        return self._refs[model, mode]


def _operation(route: Route, path: str, schemas: _Schemas) -> dict[str, Any]:
    error = _body({"success": {"const": False}, "error": schemas.ref(answers.Failure, "serialization")})
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _name(route, path),
        "parameters": _parameters(route),
        "responses": {
            str(route.status): {"description": "Done", **_answer(route, schemas)},
            "default": {"description": "Refused", **error},
        },
    }
    if route.body is not None:
        schema = schemas.ref(route.body, "validation")
        needed = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    if route.takes_file:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _FILE}}}
    if route.public:
        operation["security"] = []
    if path in route.deprecated:
        operation["deprecated"] = True
    return operation


def _name(route: Route, path: str) -> str:
    """Return what generators of clients call the function; other spellings have names of their own."""
    name = f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}"
    return name if path == route.path else f"{name}_at_{_NO_NAME.sub('_', path).strip('_')}"


def _answer(route: Route, schemas: _Schemas) -> dict[str, Any]:
    if route.answer is None:
        return {}
    schema = schemas.ref(route.answer, "serialization")
    answer = _content(schema) if route.is_bare else _body({"success": {"const": True}, "data": schema})
    if route.follows:
        answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    return answer


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETERS.findall(route.path)
    ]
    in_query = [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in _query(route).items()
    ]
    return in_path + in_query


def _query(route: Route) -> dict[str, str]:
    documented = _QUERIES.get(route.answer or BaseModel, {})
    return _WAIT_QUERY | documented if route.waits else documented


def _body(properties: dict[str, Any]) -> dict[str, Any]:
    return _content({"type": "object", "required": list(properties), "properties": properties})


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
