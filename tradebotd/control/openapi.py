"""The description of an API as OpenAPI 3.1, from the functions that answer."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from pydantic import TypeAdapter

from tradebotd.control.parameters import Parameter
from tradebotd.control.wire import ErrorAnswer, adapter_of

_REFERENCE: Final = "#/components/schemas/{model}"
_ERROR: Final = "error"

Mode = Literal["validation", "serialization"]


class Operation(NamedTuple):
    """A method of a path; `method` in lower case, `name` its function's."""

    path: str
    method: str
    name: str
    words: str
    parameters: Sequence[Parameter]
    answer: TypeAdapter[Any] | None


def describe(title: str, version: str, operations: Sequence[Operation]) -> dict[str, Any]:
    shapes: list[tuple[Any, Mode, TypeAdapter[Any]]] = [
        (_ERROR, "serialization", adapter_of(ErrorAnswer))
    ]
    for number, operation in enumerate(operations):
        shapes += [
            ((number, each.name), "validation", each.adapter) for each in operation.parameters
        ]
        if operation.answer is not None:
            shapes.append(((number, None), "serialization", operation.answer))
    found, definitions = TypeAdapter.json_schemas(shapes, ref_template=_REFERENCE)
    schemas = {key: schema for (key, _), schema in found.items()}
    paths: dict[str, dict[str, Any]] = {}
    for number, operation in enumerate(operations):
        own = {key[1]: schema for key, schema in schemas.items() if key[0] == number}
        paths.setdefault(operation.path, {})[operation.method] = _described(
            operation, own, schemas[_ERROR]
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {})},
    }


def _described(operation: Operation, schemas: dict[Any, Any], error: Any) -> dict[str, Any]:
    identity = re.sub(r"\W", "_", f"{operation.name}{operation.path}")
    told: dict[str, Any] = {
        "summary": operation.name.replace("_", " ").title(),
        "operationId": f"{identity}_{operation.method}",
        "responses": {
            "200": {
                "description": "Successful Response",
                "content": _json(schemas.get(None, {})),
            },
            "default": {"description": "Refused, or failed", "content": _json(error)},
        },
    }
    if operation.words:
        told["description"] = operation.words
    if asked := [each for each in operation.parameters if each.place != "body"]:
        told["parameters"] = [
            {
                "name": each.name,
                "in": each.place,
                "required": each.required,
                "schema": _with_default(each, schemas[each.name]),
            }
            for each in asked
        ]
    for each in operation.parameters:
        if each.place == "body":
            told["requestBody"] = {"content": _json(schemas[each.name])}
            if each.required:
                told["requestBody"]["required"] = True
    return told


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _with_default(parameter: Parameter, schema: dict[str, Any]) -> dict[str, Any]:
    titled = {**schema, "title": parameter.name.replace("_", " ").title()}
    if parameter.required or parameter.default is None:
        return titled
    return {**titled, "default": parameter.default}
