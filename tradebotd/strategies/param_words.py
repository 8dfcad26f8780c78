"""Problems of a strategy's parameters, worded like those of the rest of the file.

Text and booleans do not count as numbers here, though they could be parsed as such.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

_WORDS: Final = {
    "missing": "required, and not there",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text in quotes",
    "list_type": "must be a list: [ … ]",
    "tuple_type": "must be a list: [ … ]",
    "dict_type": "must be a table: { … }",
}
_LITERAL: Final = ("literal_error", "enum")
_PYDANTIC: Final = re.compile(r"^(Value error, |Assertion failed, |Input should be )")


def problems_of(error: ValidationError) -> dict[str, str]:
    """Return problems by path (`params.slow`): `slow must be more than fast (8), was 5`."""
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        path = ".".join(["params", *(str(part) for part in detail["loc"])])
        found.setdefault(path, _words(detail))  # a union reports once per member
    return found


class ParamsReader:
    """Reads the parameters of one class, and tells what they were taken for.

    Building what validates them takes longer than all else about a strategy.
    """

    def __init__(self, params_class: type[Any]) -> None:
        """Raises what the annotations of *params_class* raise."""
        self._hints = get_type_hints(params_class, include_extras=True)
        self._whole: TypeAdapter[Any] = TypeAdapter(params_class)
        self._single: dict[str, TypeAdapter[Any]] = {}

    def read(self, params: Mapping[str, Any]) -> Any:
        """Raises ValidationError, and what the class itself raises."""
        return self._whole.validate_python(params)

    def coerced(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Return by path what would pass as another type: text as a number, and so on."""
        found: dict[str, str] = {}
        for name, written in params.items():
            if name not in self._hints:
                continue
            try:
                read = self._reader_of(name).validate_python(written)
            except (ValidationError, PydanticUserError):
                continue  # the class as a whole says it
            if (words := _changed(written, read)) is not None:
                found[f"params.{name}"] = words
        return found

    def _reader_of(self, name: str) -> TypeAdapter[Any]:
        if name not in self._single:
            self._single[name] = TypeAdapter(self._hints[name])
        return self._single[name]


def _changed(written: Any, read: Any) -> str | None:
    """Return what is wrong with *written* if its type changed on being read as *read*."""
    if isinstance(read, bool):
        return None if isinstance(written, bool) else "must be true or false"
    if isinstance(read, int | float | Decimal):
        if isinstance(written, str):
            return f"must be a number, without quotes: {written.strip()}"
        return "must be a number" if isinstance(written, bool) else None
    if isinstance(written, Mapping) and isinstance(read, Mapping):
        return _first(list(written.values()), list(read.values()))
    if isinstance(written, list) and isinstance(read, list | tuple):
        return _first(written, read)
    return None


def _first(written: Sequence[Any], read: Sequence[Any]) -> str | None:
    if len(written) != len(read):
        return None
    changed = (_changed(old, new) for old, new in zip(written, read, strict=True))
    return next((words for words in changed if words is not None), None)


def _words(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind in _LITERAL:
        return f"not allowed; one of {detail.get('ctx', {})['expected']}"
    if kind in _WORDS:
        return _WORDS[kind]
    message = detail["msg"]
    plain = _PYDANTIC.sub("", message)
    return f"must be {plain}" if message.startswith("Input should be ") else plain
