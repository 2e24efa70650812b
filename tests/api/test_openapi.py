"""``/openapi.json`` is a valid description of exactly the routes that there are."""

import re
from typing import Any

import jsonschema
import pytest

from handlers.routes import ALL_ROUTES
from tests.api.samples import new_world, spellings
from tests.running import Parley

# The parts of the OpenAPI 3.1 meta-schema that concern what Parley describes.
_CONTENT = {
    "type": "object",
    "anyOf": [{"required": ["application/json"]}, {"required": ["multipart/form-data"]}],
    "additionalProperties": {
        "type": "object",
        "required": ["schema"],
        "properties": {"schema": {"type": ["object", "boolean"]}},
    },
}
_PARAMETER = {
    "type": "object",
    "required": ["name", "in", "schema"],
    "properties": {"in": {"enum": ["query", "header", "path", "cookie"]}, "name": {"type": "string"}},
    "if": {"properties": {"in": {"const": "path"}}},
    "then": {"required": ["required"], "properties": {"required": {"const": True}}},
}
_RESPONSE = {"type": "object", "required": ["description"], "properties": {"content": _CONTENT}}
_SECURITY = {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "array"}}}
_OPERATION = {
    "type": "object",
    "required": ["responses", "operationId", "summary"],
    "properties": {
        "parameters": {"type": "array", "items": _PARAMETER},
        "requestBody": {"type": "object", "required": ["content"], "properties": {"content": _CONTENT}},
        "responses": {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {"^([1-5][0-9][0-9]|default)$": _RESPONSE},
            "additionalProperties": False,
        },
        "security": _SECURITY,
    },
}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
OPENAPI = {
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"pattern": r"^3\.1\.\d+$"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {"title": {"type": "string"}, "version": {"type": "string"}},
        },
        "paths": {
            "type": "object",
            "patternProperties": {
                "^/": {
                    "type": "object",
                    "properties": dict.fromkeys(_METHODS, _OPERATION),
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {
                    "type": "object",
                    "propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"},
                    "additionalProperties": {"type": ["object", "boolean"]},
                },
                "securitySchemes": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["type"],
                        "properties": {
                            "type": {"enum": ["apiKey", "http", "mutualTLS", "oauth2", "openIdConnect"]}
                        },
                    },
                },
            },
        },
        "security": _SECURITY,
    },
}


@pytest.fixture
async def description(parley: Parley) -> dict[str, Any]:
    """Give the description as anybody can fetch it."""
    reply = await parley.anonymous.get("/openapi.json")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    body: dict[str, Any] = reply.body
    return body


def operations(description: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every operation by method and path."""
    return {
        (method.upper(), path): operation
        for path, item in description["paths"].items()
        for method, operation in item.items()
    }


def refs(value: Any) -> list[str]:
    """Return every reference at any depth."""
    if isinstance(value, list):
        return [found for item in value for found in refs(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for item in value.values() for found in refs(item)]


def test_the_description_has_the_form_of_openapi(description: dict[str, Any]) -> None:
    """The document, and each JSON schema in it, is valid."""
    jsonschema.validate(description, OPENAPI, jsonschema.Draft202012Validator)
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    """No schema refers to one that the document does not hold."""
    known = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert set(refs(description)) <= known


def test_the_description_covers_exactly_the_table(description: dict[str, Any]) -> None:
    """Paths, methods, success statuses, public access and what is deprecated are those of the tables."""
    found = {
        (*where, operation.get("deprecated", False)): (
            min(set(operation["responses"]) - {"default"}),
            operation.get("security") == [],
        )
        for where, operation in operations(description).items()
    }
    assert found == {
        (route.method, path, path in route.deprecated): (str(route.status), route.public)
        for route in ALL_ROUTES
        for path in spellings(route)
    }


def test_every_path_parameter_is_declared(description: dict[str, Any]) -> None:
    """What stands in braces in a path is described, and nothing else is."""
    for (_, path), operation in operations(description).items():
        declared = [found["name"] for found in operation["parameters"] if found["in"] == "path"]
        assert declared == re.findall(r"{(\w+)}", path)


def test_operations_have_names_of_their_own(description: dict[str, Any]) -> None:
    """Generators of clients name functions by operationId, so no two may be the same."""
    names = [operation["operationId"] for operation in operations(description).values()]
    assert len(set(names)) == len(names)


async def test_real_answers_are_as_described(parley: Parley, description: dict[str, Any]) -> None:
    """What each route really answers, and how it refuses, is valid by the published schemas."""
    world = await new_world(parley)

    def validate(body: Any, response: dict[str, Any]) -> None:
        schema = {
            **response["content"]["application/json"]["schema"],
            "components": description["components"],
        }
        jsonschema.validate(body, schema, jsonschema.Draft202012Validator)

    for route in ALL_ROUTES:
        responses = operations(description)[route.method, route.path]["responses"]
        reply = await world.request(parley.service, route)
        if route.answer is None:
            assert "content" not in responses[str(route.status)]
        else:
            validate(reply.body, responses[str(route.status)])
        if not route.public:
            validate((await world.request(parley.anonymous, route)).body, responses["default"])


def test_a_wrong_answer_would_not_be_as_described(description: dict[str, Any]) -> None:
    """The published schemas are strict enough to notice a missing field."""
    response = operations(description)["POST", "/api/messaging/submit"]["responses"]["201"]
    schema = {**response["content"]["application/json"]["schema"], "components": description["components"]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"success": True, "data": {}}, schema, jsonschema.Draft202012Validator)
