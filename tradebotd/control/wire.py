"""Wire format of values: money as strings, times ISO 8601 with a Z; no unknown fields."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from tradebotd.domain.decimals import plain


def _exact(value: object) -> object:
    """Refuse JSON numbers: most readers parse them as floats, which money must never be."""
    if value is None or isinstance(value, Decimal | str):
        return value
    raise ValueError("money and quantities are strings")


def iso(instant: datetime) -> str:
    """Format a time in UTC: `2022-01-14T07:32:00Z`."""
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
