"""Wire format of values: money as strings, times ISO 8601 with a Z; no unknown fields."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
)

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
    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        defer_build=True,  # its validator is built by the first request that needs it
    )


def adapter_of(shape: Any) -> TypeAdapter[Any]:
    """Return the validator and serializer of *shape*, built when they are first used."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return TypeAdapter(shape)  # its own config says the same
    return TypeAdapter(shape, config=ConfigDict(defer_build=True))


class ErrorDetail(Message):
    code: str
    message: str
    hint: str = ""
    known: list[str] = Field(default_factory=list)


class ErrorAnswer(Message):
    error: ErrorDetail
