"""Refusals: HTTP status, the code in the body, and the words."""

from decimal import Decimal
from typing import Any

from tests.simulators.shared.money import text


class RequestRefusedError(Exception):
    """An answer of *status* with {"code", "message"} and what else the vendor adds."""

    def __init__(self, status: int, code: int | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, **more}
        if code is not None:
            self.body["code"] = code


def malformed(message: str) -> RequestRefusedError:
    """422 40010001: a parameter that is missing, not readable or not allowed."""
    return RequestRefusedError(422, 40010001, message)


def invalid(message: str, **more: Any) -> RequestRefusedError:
    """422 42210000: readable, and against a rule."""
    return RequestRefusedError(422, 42210000, message, **more)


def sub_penny(name: str, price: Decimal) -> RequestRefusedError:
    return invalid(
        f"invalid {name} {text(price)}. sub-penny increment does not fulfill minimum pricing criteria"
    )


def forbidden(message: str, **more: Any) -> RequestRefusedError:
    """403 40310000: the account may not, or has not enough."""
    return RequestRefusedError(403, 40310000, message, **more)


def no_buying_power(available: Decimal, cost: Decimal) -> RequestRefusedError:
    return forbidden(
        "insufficient buying power", buying_power=text(available), cost_basis=text(cost)
    )


def no_balance(symbol: str, requested: Decimal, available: Decimal) -> RequestRefusedError:
    """Crypto is paid with cash alone."""
    return forbidden(
        f"insufficient balance for {symbol} (requested: {text(requested)}, available: {text(available)})",
        available=text(available),
        balance=text(available),
        symbol=symbol,
    )


def no_quantity(
    symbol: str, requested: Decimal, existing: Decimal, held: Decimal, orders: list[str]
) -> RequestRefusedError:
    available = text(existing - held)
    return forbidden(
        f"insufficient qty available for order (requested: {text(requested)}, available: {available})",
        available=available,
        existing_qty=text(existing),
        held_for_orders=text(held),
        related_orders=orders,
        symbol=symbol,
    )


def wash_trade(existing_order: str, opposite: str) -> RequestRefusedError:
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order,
        reject_reason=f"opposite side {opposite} order exists",
    )


def not_found(what: str) -> RequestRefusedError:
    return RequestRefusedError(404, 40410000, what)


def unauthorized() -> RequestRefusedError:
    return RequestRefusedError(401, 40110000, "request is not authorized")


def too_many() -> RequestRefusedError:
    return RequestRefusedError(429, 42910000, "rate limit exceeded")
