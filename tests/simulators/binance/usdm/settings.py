"""Settings of an account: position mode, margin type, leverage, isolated margin, asset mode."""

from decimal import Decimal

from tests.simulators.binance.usdm import margin, reports
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO
from tests.simulators.binance.usdm.engine import Engine
from tests.simulators.binance.usdm.positions import Position
from tests.simulators.binance.usdm.refusals import RefusalError


class Settings:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.market = engine, engine.market

    def set_dual_side(self, account: Account, *, dual: bool) -> None:
        """Switch between one-way and hedge mode, on all symbols and on the coin-margined side too.

        Raises:
            RefusalError: -4059, -4067, -4068; F12: -4531 when the coin-margined side cannot follow.
        """
        if account.dual_side == dual:
            raise RefusalError(-4059)
        if account.book.open_orders() or account.book.open_algos():
            raise RefusalError(-4067)
        if any(account.held()):
            raise RefusalError(-4068)
        if account.has_coin_m_business:
            raise RefusalError(-4531)
        account.dual_side = dual

    def set_margin_type(self, account: Account, symbol: str, margin_type: str) -> None:
        """Set ISOLATED or CROSSED.

        Raises:
            RefusalError: -4046 when it is so already, -4047, -4048, -4168.
        """
        isolated = margin_type == "ISOLATED"
        if account.is_isolated(symbol) == isolated:
            raise RefusalError(-4046)
        if isolated and account.multi_assets:
            raise RefusalError(-4168)
        if account.book.open_orders(symbol) or account.book.open_algos(symbol):
            raise RefusalError(-4047)
        if any(account.held(symbol)):
            raise RefusalError(-4048)
        (account.isolated.add if isolated else account.isolated.discard)(symbol)

    def set_leverage(self, account: Account, symbol: str, leverage: int) -> Decimal:
        """Set the initial leverage; returns the largest notional that it allows.

        Raises:
            RefusalError: -4028, -4161, -2027, -2028; the old leverage stays then.
        """
        instrument = self.market[symbol].instrument
        if not 1 <= leverage <= instrument.max_leverage:
            raise RefusalError(-4028, leverage=leverage)
        before = account.leverage(symbol)
        held = list(account.held(symbol))
        if held and account.is_isolated(symbol) and leverage < before:
            raise RefusalError(-4161)
        cap = instrument.max_notional(leverage)
        if any(abs(p.notional(self.market[symbol].mark)) > cap for p in held):
            raise RefusalError(-2027)
        account.leverages[symbol] = leverage
        free = margin.available(account, self.market, instrument.margin_asset)
        if leverage < before and free < 0:
            account.leverages[symbol] = before
            raise RefusalError(-2028)
        if leverage != before:
            account.emit(reports.account_config_update(self.market, leverage=(symbol, leverage)))
        return cap

    def move_margin(self, account: Account, position: Position, amount: Decimal) -> None:
        """Add to an isolated position's margin, or take from it (negative).

        Raises:
            RefusalError: -4049, -4050, -4051, -4054.
        """
        if not account.is_isolated(position.symbol):
            raise RefusalError(-4049)
        if not position.amount:
            raise RefusalError(-4054)
        asset = self.market[position.symbol].instrument.margin_asset
        if amount > margin.available(account, self.market, asset):
            raise RefusalError(-4050)
        need = margin.position_margin(account, self.market, position)
        loss = min(position.unrealized(self.market[position.symbol].mark), ZERO)
        if amount < 0 and position.isolated_wallet + amount + loss < need:
            raise RefusalError(-4051)
        position.isolated_wallet += amount
        account.emit(
            reports.account_update(account, self.market, "MARGIN_TRANSFER", assets={asset}, positions=(position,))
        )  # fmt: skip

    def set_multi_assets(self, account: Account, *, multi: bool) -> None:
        """Switch between single-asset and multi-assets margin.

        Raises:
            RefusalError: -4171, -4167, -4170.
        """
        if account.multi_assets == multi:
            raise RefusalError(-4171)
        if multi and account.isolated:
            raise RefusalError(-4167)
        if account.book.open_orders() or account.book.open_algos():
            raise RefusalError(-4170)
        account.multi_assets = multi
        account.emit(reports.account_config_update(self.market, multi_assets=multi))
