"""Money that moves without a trade: transfers, funding, and other incomes."""

from decimal import Decimal

from tests.simulators.binance.usdm import reports
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO, money
from tests.simulators.binance.usdm.engine import Engine

FUNDING_HOURS = 8


class Cash:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.market = engine, engine.market
        self.rates: list[tuple[str, int, Decimal, Decimal]] = []  # symbol, time, rate, mark

    def transfer(self, account: Account, asset: str, amount: Decimal) -> None:
        """Move money in (or out, negative) from another wallet: income TRANSFER and ACCOUNT_UPDATE."""
        account.book_income("TRANSFER", asset, amount, self.market.now_ms())
        reason = "DEPOSIT" if amount > 0 else "WITHDRAW"
        account.emit(
            reports.account_update(account, self.market, reason, assets={asset}, changes={asset: amount})
        )  # fmt: skip

    def fund(self, symbol: str, rate: Decimal, *, special: bool = False) -> None:
        """Let every position of *symbol* pay (or get) *rate* of its notional at the mark price.

        F3: *special* funding comes under a type of its own, SPECIAL_FUNDING_FEE, and is funding all
        the same.
        """
        market = self.market[symbol]
        now = self.market.now_ms()
        self.rates.append((symbol, now, rate, market.mark))
        for account in self.engine.accounts.values():
            for position in list(account.held(symbol)):
                amount = -money(position.notional(market.mark) * rate)
                if not amount:
                    continue
                asset = market.instrument.margin_asset
                kind = "SPECIAL_FUNDING_FEE" if special else "FUNDING_FEE"
                account.book_income(kind, asset, amount, now, symbol=symbol)
                isolated = account.is_isolated(symbol)
                if isolated:
                    position.isolated_wallet += amount
                account.emit(
                    reports.account_update(
                        account, self.market, "FUNDING_FEE", assets={asset}, changes={asset: amount}, positions=(position,) if isolated else (), symbol=symbol
                    )
                )  # fmt: skip

    def adjust(self, account: Account, kind: str, asset: str, amount: Decimal) -> None:
        """Book an income of another type: a rebate, a conversion, a bonus."""
        account.book_income(kind, asset, amount, self.market.now_ms())
        account.emit(
            reports.account_update(account, self.market, "ADJUSTMENT", assets={asset}, changes={asset: amount})
        )  # fmt: skip


def income_sum(account: Account, kinds: tuple[str, ...], asset: str) -> Decimal:
    return sum((i.amount for i in account.incomes if i.type in kinds and i.asset == asset), ZERO)
