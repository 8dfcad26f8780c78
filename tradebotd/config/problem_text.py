"""Text of a configuration problem: its path, what is wrong, what is allowed."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tradebotd.domain.near_names import hint

NAME_WORDS: Final = "letters, digits and . _ - only, at most 64, a letter or digit first"

WHERE_SECRETS_ARE: Final = (
    'must be a table: { file = "…" } (chmod 600), { env = "NAME" } or { credential = "NAME" };'
    " a secret never stands in this file"
)


def unknown_name(path: str, name: str, known: Iterable[str], noun: str) -> str:
    return f"{path}: there is no {noun} {name!r}; {hint(name, sorted(known))}"


def not_yet(path: str, value: str, built: Iterable[str]) -> str:
    there = sorted(built)
    verb = "is" if len(there) == 1 else "are"
    return f"{path}: {value!r} is not available in this version; {', '.join(there)} {verb}"


def percent(fraction: Decimal) -> str:
    return f"{(fraction * 100).normalize():f}%"
