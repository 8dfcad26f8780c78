"""Conditional ("algo") orders: waiting, triggering, and the actual order that each becomes."""

from collections.abc import Callable
from decimal import Decimal

from tests.simulators.binance.usdm import reports
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO
from tests.simulators.binance.usdm.engine import Engine
from tests.simulators.binance.usdm.market import SymbolMarket
from tests.simulators.binance.usdm.orders import AlgoOrder, Order
from tests.simulators.binance.usdm.positions import Position
from tests.simulators.binance.usdm.refusals import RefusalError

MAX_OPEN = 200  # F4: over all symbols of an account
CALLBACK_RATES = (Decimal("0.1"), Decimal(20))  # F7: the upper one was 10 before October 2026
MARKET_TYPES = {"STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
TAKE_PROFITS = {"TAKE_PROFIT", "TAKE_PROFIT_MARKET"}
REASONS = {
    -2022: "Reduce Only reject",
    -2019: "Margin is insufficient.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
}


class AlgoOrders:
    """The service that keeps conditional orders, apart from the engine's own order list.

    No margin and no position is looked at before the trigger: what fails then is REJECTED, with
    the reason in `rm` (F5). A closePosition order is good till the position exists (GTE).
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.market = engine, engine.market
        self._next_id = 1_000_000_033_225_400
        self.before_trigger: list[Callable[[AlgoOrder], None]] = []
        self.market.on_change.append(self._watch)
        engine.fills.on_done.append(self._order_done)
        engine.fills.on_closed.append(self._position_closed)

    def next_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def place(self, account: Account, algo: AlgoOrder) -> None:
        """Let a conditional order wait.

        Raises:
            RefusalError: -4045, -4509, -4130, -2021, -2007.
        """
        self.check_room(account)
        if algo.close_position:
            self._check_close_position(account, algo)
        market = self.market[algo.symbol]
        price = self.working_price(market, algo)
        if algo.type == "TRAILING_STOP_MARKET":
            self._check_trailing(algo, price)
        elif is_met(algo, price):
            raise RefusalError(-2021)
        account.book.add_algo(algo)
        self._tell(account, algo, "NEW")
        if algo.type == "TRAILING_STOP_MARKET":
            self._trail(account, algo, price)

    def check_room(self, account: Account) -> None:
        """F4: at most 200 conditional orders wait, whatever their symbols.

        Raises:
            RefusalError: -4045.
        """
        if sum(algo.is_waiting for algo in account.book.open_algos()) >= MAX_OPEN:
            raise RefusalError(-4045)

    def cancel(self, account: Account, algo: AlgoOrder) -> None:
        """Take a waiting one back.

        Raises:
            RefusalError: -2011 once it has triggered or ended.
        """
        if not algo.is_waiting:
            raise RefusalError(-2011)
        self._tell(account, algo, "CANCELED")

    def working_price(self, market: SymbolMarket, algo: AlgoOrder) -> Decimal:
        return market.mark if algo.working_type == "MARK_PRICE" else market.last

    def trigger(self, account: Account, algo: AlgoOrder) -> None:
        """Send the actual order, which has an id of its own and the conditional one's client id.

        The order's own events come before TRIGGERED and FINISHED, as they do at the venue.
        """
        algo.triggered_ms = self.market.now_ms()
        self._tell(account, algo, "TRIGGERING")
        for listener in list(self.before_trigger):
            listener(algo)
        market = self.market[algo.symbol]
        if algo.price_protect and self._is_torn(market):
            algo.reason = "Price protect: mark and contract price differ too much"
            self._tell(account, algo, "EXPIRED")
            return
        order = self._actual(account, algo)
        try:
            self.engine.place(account, order)
        except RefusalError as refused:
            algo.reason = REASONS.get(refused.code, refused.msg)
            self._tell(account, algo, "REJECTED")
            return
        algo.actual = order
        self._tell(account, algo, "TRIGGERED")
        if not order.is_open:
            self._tell(account, algo, "FINISHED")

    def reject(self, account: Account, algo: AlgoOrder, reason: str) -> None:
        """Reject a waiting one by a test's command, as the engine would at its trigger."""
        algo.reason, algo.triggered_ms = reason, self.market.now_ms()
        self._tell(account, algo, "TRIGGERING")
        self._tell(account, algo, "REJECTED")

    def expire(self, account: Account, algo: AlgoOrder, reason: str = "") -> None:
        """Expire a waiting one by a test's command: a stop that is gone without a fill."""
        algo.reason = reason
        self._tell(account, algo, "EXPIRED")

    def expire_old(self, now_ms: int) -> None:
        for account in self.engine.accounts.values():
            for algo in account.book.open_algos():
                if algo.is_waiting and algo.time_in_force == "GTD" and algo.good_till_ms <= now_ms:
                    self._tell(account, algo, "EXPIRED")

    def _actual(self, account: Account, algo: AlgoOrder) -> Order:
        quantity = algo.quantity
        if algo.close_position:
            quantity = abs(account.position(algo.symbol, algo.position_side).amount)
        return Order(
            self.engine.next_order_id(algo.symbol),
            algo.client_id,
            algo.symbol,
            algo.side,
            "MARKET" if algo.type in MARKET_TYPES else "LIMIT",
            quantity,
            ZERO if algo.type in MARKET_TYPES else algo.price,
            self.market.now_ms(),
            algo.position_side,
            "GTC" if algo.time_in_force == "GTE_GTC" else algo.time_in_force,
            reduce_only=algo.reduce_only or (algo.close_position and not account.dual_side),
            close_position=algo.close_position,
            original_type=algo.type,
            stop_price=algo.trigger_price,
            working_type=algo.working_type,
            price_protect=algo.price_protect,
            self_trade_prevention=algo.self_trade_prevention,
            good_till_ms=algo.good_till_ms,
            algo_id=algo.algo_id,
        )

    def _check_close_position(self, account: Account, algo: AlgoOrder) -> None:
        position = account.position(algo.symbol, algo.position_side)
        if position.amount * algo.sign >= 0:
            raise RefusalError(-4509)
        takes_profit = algo.type in TAKE_PROFITS
        for other in account.book.open_algos(algo.symbol):
            same = (other.side, other.position_side) == (algo.side, algo.position_side)
            if other.close_position and same and (other.type in TAKE_PROFITS) == takes_profit:
                raise RefusalError(-4130)

    def _check_trailing(self, algo: AlgoOrder, price: Decimal) -> None:
        """F7: callbackRate from 0.1 to 20; activatePrice ahead of the market, else -2021."""
        lowest, highest = CALLBACK_RATES
        if not lowest <= algo.callback_rate <= highest:
            raise RefusalError(-2007)
        if not algo.activate_price:
            algo.activate_price = price
        elif (algo.activate_price - price) * algo.sign >= 0:
            raise RefusalError(-2021)

    def _watch(self, market: SymbolMarket) -> None:
        for account in list(self.engine.accounts.values()):
            for algo in account.book.open_algos(market.symbol):
                if not algo.is_waiting:
                    continue
                price = self.working_price(market, algo)
                if algo.type == "TRAILING_STOP_MARKET":
                    self._trail(account, algo, price)
                elif is_met(algo, price):
                    self.trigger(account, algo)

    def _trail(self, account: Account, algo: AlgoOrder, price: Decimal) -> None:
        """F6: when a trailing order becomes active it tells NEW once more, with `ia` true."""
        if not algo.activated:
            if (price - algo.activate_price) * algo.sign > 0:
                return
            algo.activated, algo.extreme = True, price
            self._tell(account, algo, "NEW")
        rate = algo.callback_rate / 100
        if algo.side == "SELL":
            algo.extreme = max(algo.extreme, price)
            met = price <= algo.extreme * (1 - rate)
        else:
            algo.extreme = min(algo.extreme, price)
            met = price >= algo.extreme * (1 + rate)
        if met:
            self.trigger(account, algo)

    def _is_torn(self, market: SymbolMarket) -> bool:
        return abs(market.mark - market.last) / market.mark > market.instrument.trigger_protect

    def _order_done(self, account: Account, order: Order) -> None:
        algo = account.book.algos.get(order.algo_id) if order.algo_id is not None else None
        if algo is not None and algo.status == "TRIGGERED":
            self._tell(account, algo, "FINISHED")

    def _position_closed(self, account: Account, position: Position) -> None:
        for algo in account.book.open_algos(position.symbol):
            if algo.is_waiting and algo.close_position and algo.position_side == position.side:
                self._tell(account, algo, "EXPIRED")

    def _tell(self, account: Account, algo: AlgoOrder, status: str) -> None:
        algo.status, algo.updated_ms = status, self.market.now_ms()
        account.emit(reports.algo_update(algo, self.market))


def is_met(algo: AlgoOrder, price: Decimal) -> bool:
    """Whether *price* has reached the trigger: a stop's from below for BUY, a take profit's from above."""
    from_below = (algo.side == "BUY") != (algo.type in TAKE_PROFITS)
    return price >= algo.trigger_price if from_below else price <= algo.trigger_price
