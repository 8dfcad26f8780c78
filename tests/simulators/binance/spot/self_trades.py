"""Self-trade prevention: what happens where an account would trade with itself, or with its group."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.binance.spot.figures import shown
from tests.simulators.binance.spot.market import Counter
from tests.simulators.binance.spot.orders import Order

if TYPE_CHECKING:
    from tests.simulators.binance.spot.engine import Engine


@dataclass
class SelfTrades:
    engine: "Engine"
    matches: list[dict[str, Any]] = field(default_factory=list)

    def prevented(self, taker: Order, counter: Counter) -> bool:
        """Prevent the match by the taker's mode; tells whether there was one to prevent."""
        maker = counter.order
        if maker is None or not self._are_one(taker, maker):
            return False
        mode = self._mode(taker)
        if mode == "NONE":
            return False
        part = min(taker.left, maker.left)
        self._note(taker, maker, mode, counter)
        if mode == "DECREMENT":
            sides = [(maker, part), (taker, part)]
        else:
            sides = [(maker, maker.left)] if mode in {"EXPIRE_MAKER", "EXPIRE_BOTH"} else []
            sides += [(taker, taker.left)] if mode in {"EXPIRE_TAKER", "EXPIRE_BOTH"} else []
        for order, quantity in sides:
            self._take_off(order, quantity)
        return True

    def _are_one(self, taker: Order, maker: Order) -> bool:
        if taker.account == maker.account:
            return True
        groups = {self.engine.account(o.account).group for o in (taker, maker)}
        return len(groups) == 1 and -1 not in groups

    def _mode(self, taker: Order) -> str:
        """TRANSFER between accounts of a group is not simulated: it decrements, as within one."""
        return "DECREMENT" if taker.prevention == "TRANSFER" else taker.prevention

    def _take_off(self, order: Order, quantity: Any) -> None:
        order.prevented += quantity
        order.prevented_match = len(self.matches)
        if order.left == 0:
            self.engine.close(order, "EXPIRED_IN_MATCH", "TRADE_PREVENTION")
            self.engine.lists.expired(order)
        else:
            self.engine.ledger.refit(order)
            self.engine.report(order, "TRADE_PREVENTION")

    def _note(self, taker: Order, maker: Order, mode: str, counter: Counter) -> None:
        row = {
            "symbol": taker.symbol,
            "preventedMatchId": len(self.matches) + 1,
            "takerOrderId": taker.id,
            "makerSymbol": maker.symbol,
            "makerOrderId": maker.id,
            "tradeGroupId": self.engine.account(taker.account).group,
            "selfTradePreventionMode": mode,
            "price": shown(counter.price),
            "transactTime": self.engine.now_ms(),
        }
        part = min(taker.left, maker.left)
        if mode != "EXPIRE_MAKER":
            row["takerPreventedQuantity"] = shown(part if mode == "DECREMENT" else taker.left)
        if mode != "EXPIRE_TAKER":
            row["makerPreventedQuantity"] = shown(part if mode == "DECREMENT" else maker.left)
        self.matches.append(row)
