"""Load a file into a Config, or list every problem in it, each with its path."""

import os
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tradebotd.config.cross_checks import cross_problems
from tradebotd.config.model import Config
from tradebotd.config.problem_text import NAME_WORDS, WHERE_SECRETS_ARE
from tradebotd.config.recovery import not_told, path_of, recover
from tradebotd.config.told_places import ToldPlaces
from tradebotd.config.values import SecretReference
from tradebotd.config.zone_database import in_force
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.near_names import hint, near_names

SEARCHED: Final = (Path("config.toml"), Path("/etc/tradebotd/config.toml"))

NOTHING_FOUND: Final = (
    "no configuration was found: there is no --config, $TRADEBOTD_CONFIG, ./config.toml or"
    " /etc/tradebotd/config.toml; config.example.toml is one to start from"
)
PLAIN_WORDS: Final = {
    "missing": "required, and not there",
    "too_short": "at least one is needed",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list: [ … ]",
    "dict_type": "must be a table: { … }",
    "model_type": "must be a table: { … }",
    "model_attributes_type": "must be a table: { … }",
    "secret": WHERE_SECRETS_ARE,
}
BOUNDS: Final = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def find_config(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the first file in the order of docs/configuration.md. Raises ConfigError."""
    if given is not None:
        return given
    if named := environment.get("TRADEBOTD_CONFIG"):
        return Path(named)
    for path in SEARCHED:
        if path.is_file():
            return path
    raise ConfigError([NOTHING_FOUND])


def load_config(path: Path, further: Callable[[Config], list[str]] | None = None) -> Config:
    """Read and check everything that can be known without starting. Raises ConfigError.

    The error lists all problems, in keys and in what they refer to; *further* adds those that only
    higher layers can detect.
    """
    in_force()  # before a zone is read, by us or by what a strategy imports
    raw, places = _read(path)
    problems: list[str] = []
    touched: list[str] = []
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        problems = [_line(detail) for detail in errors]
        draft, touched = recover(raw, errors, _meant)
        if draft is None:
            raise _refused(problems, places) from error
        config = draft
    config = config.read_from(path, places)
    found = [*cross_problems(config), *(further(config) if further is not None else ())]
    problems += not_told(found, touched)
    if problems:
        raise _refused(problems, places)
    return config


def _refused(problems: list[str], places: ToldPlaces) -> ConfigError:
    return ConfigError(problems, [places.told(problem) for problem in problems])


def _read(path: Path) -> tuple[dict[str, Any], ToldPlaces]:
    try:
        # With a byte order mark, as some editors write it, or without.
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text, parse_float=Decimal)
        return raw, ToldPlaces.of(raw, text)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not TOML: it is not UTF-8; save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from error


def _line(detail: ErrorDetails) -> str:
    return f"{path_of(detail['loc'])}: {_words(detail)}"


def _words(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(detail["loc"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"not allowed; one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return NAME_WORDS.replace(" _ ", " _ / ") if "/" in context["pattern"] else NAME_WORDS
    if kind in BOUNDS:
        key, word = BOUNDS[kind]
        bound = context[key]
        percent = isinstance(detail["input"], str) and detail["input"].strip().endswith("%")
        told = f"{Decimal(bound) * 100:f}%" if percent else str(bound)
        return f"out of range; must be {word} {told}"
    if context.get("class_name") == SecretReference.__name__:
        kind = "secret"
    return PLAIN_WORDS.get(kind, detail["msg"])


def _unknown(location: tuple[str | int, ...]) -> str:
    return f"unknown key; {hint(str(location[-1]), _known_keys(location[:-1]))}"


def _meant(location: tuple[str | int, ...]) -> str | None:
    near = near_names(str(location[-1]), _known_keys(location[:-1]))
    return near[0] if near else None


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the table at *location*, found by walking the models."""
    model: type[BaseModel] | None = Config
    own_name = False  # whether the next part is an index, or a name of the user's own
    for part in location:
        if own_name:
            own_name = False
            continue
        field = model.model_fields.get(str(part)) if model is not None else None
        annotation = field.annotation if field is not None else None
        model, own_name = _section_in(annotation), get_origin(annotation) in {list, dict}
    return sorted(model.model_fields) if model is not None else []


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if (found := _section_in(inner)) is not None:
            return found
    return None
