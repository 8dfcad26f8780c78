"""How values look on the wire: money as strings, times ISO 8601 with a Z; nothing unknown."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from tradebotd.domain.decimals import plain


def _exact(value: object) -> object:
    """Numbers of JSON are floats to most readers: money never passes through one."""
    if value is None or isinstance(value, Decimal | str):
        return value
    raise ValueError("money and quantities are strings")


def iso(instant: datetime) -> str:
    """`2022-01-14T07:32:00Z`: UTC, with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


Money = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(plain, return_type=str)]
Instant = Annotated[AwareDatetime, PlainSerializer(iso, return_type=str)]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ErrorDetail(Message):
    code: str
    message: str
    hint: str = ""
    known: list[str] = Field(default_factory=list)


class ErrorAnswer(Message):
    error: ErrorDetail
