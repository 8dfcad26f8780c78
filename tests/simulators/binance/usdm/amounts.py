"""Amounts of money and quantities: how the venue rounds them, and how it writes them."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from tests.simulators.binance.usdm.refusals import RefusalError

SMALLEST = Decimal("0.00000001")
ZERO = Decimal(0)


def money(amount: Decimal) -> Decimal:
    """Round to the eight places that a wallet has."""
    return amount.quantize(SMALLEST, ROUND_HALF_UP)


def shown(amount: Decimal, places: int = 8) -> str:
    """Write with a fixed number of places, as wallets are."""
    return f"{amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


def plain(amount: Decimal, places: int = 8) -> str:
    """Write without trailing zeros, as entry prices are."""
    text = shown(amount, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_of(text: str, name: str) -> Decimal:
    """Read a number of a request.

    Raises:
        RefusalError: -1102 when it is none, as the venue answers then.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise RefusalError(-1102, name=name) from None
    if not value.is_finite():
        raise RefusalError(-1102, name=name)
    return value


def integer_of(text: str, name: str) -> int:
    if not text.lstrip("-").isdigit():
        raise RefusalError(-1102, name=name)
    return int(text)


def flag_of(text: str, name: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise RefusalError(-1102, name=name)
    return text.lower() == "true"
