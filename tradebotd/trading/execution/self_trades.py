"""Orders that ended because they would have traded with another order of the account."""

from collections.abc import Iterable

from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.self_trade import SELF_TRADE


def is_self_trade(reason: str | None) -> bool:
    return reason is not None and reason.startswith(SELF_TRADE)


def check_no_self_trade(reports: Iterable[OrderReport]) -> None:
    """Raises OrderRejectedError, by that name: nothing of one of them traded, and sent again at
    once it would end the same way.
    """
    for report in reports:
        ended = report.status is OrderStatus.EXPIRED and not report.filled_quantity
        if ended and is_self_trade(report.reason):
            raise OrderRejectedError(str(report.reason))
