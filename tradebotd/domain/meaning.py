"""Codes that carry what they mean: the operator's tables are made of them."""

from enum import StrEnum
from typing import Self


class MeaningEnum(StrEnum):
    """Each member is a value, as it is stored and shown, and its *meaning* for an operator."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def named(cls, value: str) -> Self:
        """The member that is stored as *value*. Raises ValueError."""
        for member in cls:
            if member.value == value:
                return member
        raise ValueError(f"{value!r} is no {cls.__name__}")
