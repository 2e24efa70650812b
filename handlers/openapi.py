"""The OpenAPI description, generated from the route table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from handlers import answers
from handlers.http import Route
from handlers.parameters import QUERIES, WAIT_QUERY

_PATH_PARAMETERS = re.compile(r"{(\w+)}")
_NO_NAME = re.compile(r"\W+")
_FILE = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}


def serve(routes: Sequence[Route]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that answers the description."""

    @cache
    def write() -> bytes:
        return orjson.dumps(describe(routes))

    async def answer(_request: web.Request) -> web.Response:
        # The first one takes a tenth of a second, which neither a start nor other clients should wait for.
        return web.Response(body=await asyncio.to_thread(write), content_type="application/json")

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
        for name in _PATH_PARAMETERS.findall(route.path)
    ]
    in_query = [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in _query(route).items()
    ]
    return in_path + in_query


def _query(route: Route) -> dict[str, str]:
    documented = QUERIES.get(route.answer or BaseModel, {})
    return WAIT_QUERY | documented if route.waits else documented


def _body(properties: dict[str, Any]) -> dict[str, Any]:
    return _content({"type": "object", "required": list(properties), "properties": properties})


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
