"""Trades as changes of balances: both sides, fees, locked funds. Nothing is lost on the way."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from tests.simulators.binance.spot.accounts import Account, Fee, received_fee
from tests.simulators.binance.spot.figures import ZERO, truncated
from tests.simulators.binance.spot.orders import Fill, Hold, Order


@dataclass
class Settlement:
    """The venue's ledger beside the accounts: what the outside holds and what fees brought in."""

    accounts: dict[str, Account]
    price_of: Callable[[str, str], Decimal]  # of an asset in another; zero where unknown
    outside: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    fees: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    touched: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _holds: dict[tuple[str, int], Hold] = field(default_factory=dict)

    def hold(self, *orders: Order) -> None:
        """Lock what *orders* need (of an OCO, the larger leg); raises ValueError without funds."""
        hold = Hold(list(orders))
        self._fit(hold)
        for order in orders:
            self._holds[order.symbol, order.id] = hold

    def refit(self, order: Order) -> None:
        """Lock less, after a fill, an amendment, a cancel."""
        hold = self._holds.get((order.symbol, order.id))
        if hold is not None:
            self._fit(hold)

    def can_hold(self, *orders: Order) -> bool:
        account = self.accounts[orders[0].account]
        return account.free(orders[0].hold_asset) >= Hold(list(orders)).needed()

    def settle(
        self, order: Order, price: Decimal, quantity: Decimal, trade_id: int, now_ms: int
    ) -> Fill:
        """Book *order*'s side of a trade; fees are cut from what was received, or paid in BNB."""
        account = self.accounts[order.account]
        quote = truncated(price * quantity)
        paid, received = (quote, quantity) if order.buys else (quantity, quote)
        gave, got = (
            (order.quote_asset, order.base) if order.buys else (order.base, order.quote_asset)
        )
        order.executed += quantity
        order.spent += quote
        order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
        self._spend(order, account, gave, paid)
        account.add(got, received)
        maker = not order.taking
        fee = self._fee(order, account, received, quote, maker=maker)
        account.add(fee.asset, -fee.amount)
        self.fees[fee.asset] += fee.amount
        self.touched[account.name] |= {gave, got, fee.asset}
        fill = Fill(trade_id, price, quantity, quote, fee.amount, fee.asset, maker, now_ms)
        order.fills.append(fill)
        return fill

    def settle_outside(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        """Book the other side of *order*'s trade with somebody who has no account here."""
        quote = truncated(price * quantity)
        sign = 1 if order.buys else -1
        self.outside[order.base] -= sign * quantity
        self.outside[order.quote_asset] += sign * quote

    def totals(self) -> dict[str, Decimal]:
        """Sum each asset over accounts, fees and the outside: what deposits brought, always."""
        total: dict[str, Decimal] = defaultdict(Decimal)
        for account in self.accounts.values():
            for asset, balance in account.balances.items():
                total[asset] += balance.total
        for pot in (self.outside, self.fees):
            for asset, amount in pot.items():
                total[asset] += amount
        return dict(total)

    def _fit(self, hold: Hold) -> None:
        order = hold.orders[0]
        account = self.accounts[order.account]
        needed = hold.needed()
        account.lock(order.hold_asset, needed - hold.amount)
        if needed != hold.amount:
            self.touched[account.name].add(order.hold_asset)
        hold.amount = needed

    def _spend(self, order: Order, account: Account, asset: str, amount: Decimal) -> None:
        hold = self._holds.get((order.symbol, order.id))
        from_hold = min(amount, hold.amount) if hold else ZERO
        if hold:
            account.spend_locked(asset, from_hold)
            hold.amount -= from_hold
            self._fit(hold)
        account.add(asset, from_hold - amount)

    def _fee(
        self, order: Order, account: Account, received: Decimal, quote: Decimal, *, maker: bool
    ) -> Fee:
        terms = account.commission
        asset = order.base if order.buys else order.quote_asset
        if terms.pays_in_discount_asset:
            rate = terms.rate(maker=maker, buyer=order.buys, discounted=True)
            price = self.price_of(terms.discount_asset, order.quote_asset)
            if price:
                fee = Fee(terms.discount_asset, truncated(quote * rate / price))
                if account.free(fee.asset) >= fee.amount:
                    return fee
        rate = terms.rate(maker=maker, buyer=order.buys, discounted=False)
        return received_fee(asset, received, rate)
