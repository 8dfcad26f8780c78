"""Answers compared with a vendor's OpenAPI specification: types, required fields, lists of words.

A walker of what these specifications use; a validator of all of JSON Schema would be a dependency
for one test.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


class Specification:
    """*bears*: words that the vendor is known to send beyond its own lists, by the list's name."""

    def __init__(self, path: Path, bears: Mapping[str, frozenset[str]] | None = None) -> None:
        self._told: dict[str, Any] = json.loads(path.read_text())
        self._bears = bears or {}

    @property
    def paths(self) -> Mapping[str, Any]:
        paths: Mapping[str, Any] = self._told["paths"]
        return paths

    def problems(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Faults of *body*, the answer of *status* to *method* of *path* (a template)."""
        responses = self.paths[path][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"{status} is not among the answers"]
        content = responses[str(status)].get("content", {})
        if "application/json" not in content:
            return []
        return list(self._walk(content["application/json"]["schema"], body, "$", ""))

    def of_schema(self, name: str, value: Any) -> list[str]:
        """Faults of *value* as the schema *name*."""
        return list(self._walk({"$ref": f"#/components/schemas/{name}"}, value, "$", ""))

    def _walk(self, schema: Mapping[str, Any], value: Any, at: str, name: str) -> Iterator[str]:
        if "$ref" in schema:
            reference = schema["$ref"].rpartition("/")[2]
            yield from self._walk(
                self._told["components"]["schemas"][reference], value, at, reference
            )
            return
        if value is None:
            if not schema.get("nullable"):
                yield f"{at}: null"
            return
        for part in schema.get("allOf", ()):
            yield from self._walk(part, value, at, name)
        choices = schema.get("oneOf") or schema.get("anyOf")
        if choices:
            found = [list(self._walk(each, value, at, name)) for each in choices]
            if all(found):
                yield from min(found, key=len)
            return
        yield from self._check_value(schema, value, at, name)
        if isinstance(value, dict):
            yield from self._check_object(schema, value, at)
        elif isinstance(value, list):
            for place, each in enumerate(value):
                yield from self._walk(schema.get("items", {}), each, f"{at}[{place}]", "")

    def _check_value(
        self, schema: Mapping[str, Any], value: Any, at: str, name: str
    ) -> Iterator[str]:
        kind = schema.get("type")
        is_wrong_bool = isinstance(value, bool) and kind in {"integer", "number"}
        if kind is not None and (not isinstance(value, TYPES[kind]) or is_wrong_bool):
            yield f"{at}: {value!r} is no {kind}"
            return
        words = schema.get("enum")
        if words is not None and value not in words and value not in self._bears.get(name, ()):
            yield f"{at}: {value!r} is none of {name or words}"
        if isinstance(value, str):
            yield from self._check_text(schema, value, at)

    def _check_text(self, schema: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{at}: {value!r} has a wrong length"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match"
        if not _has_format(schema.get("format", ""), value):
            yield f"{at}: {value!r} is no {schema['format']}"

    def _check_object(
        self, schema: Mapping[str, Any], value: dict[str, Any], at: str
    ) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{at}.{name}: missing"
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for name, each in value.items():
            if name in properties:
                yield from self._walk(properties[name], each, f"{at}.{name}", "")
            elif isinstance(others, dict):
                yield from self._walk(others, each, f"{at}.{name}", "")


def _has_format(form: str, value: str) -> bool:
    try:
        if form == "uuid":
            uuid.UUID(value)
        elif form == "date":
            date.fromisoformat(value)
        elif form == "date-time" and not MOMENT.fullmatch(value):
            datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007  activities: the specification's own example
        elif form == "decimal":
            float(value)
    except ValueError:
        return False
    return True
