"""Enums whose members carry their meaning; the operator's tables are generated from them."""

from enum import StrEnum
from typing import Self


class MeaningEnum(StrEnum):
    """Members are a value, as it is stored and shown, with its *meaning* for an operator."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def named(cls, value: str) -> Self:
        """Return the member stored as *value*. Raises ValueError if there is none."""
        for member in cls:
            if member.value == value:
                return member
        raise ValueError(f"{value!r} is no {cls.__name__}")
