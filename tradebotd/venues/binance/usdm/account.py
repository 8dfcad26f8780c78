"""Account of Binance USDT-M: what it holds, in which modes it is, and how a symbol is set up."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.ports.venue import SymbolSetup, VenueAccount
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.usdm import paths

# What is set already is answered as an error: of the position mode, and of the margin type.
SAME_MODE: Final = -4059
SAME_MARGIN_TYPE: Final = -4046


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """Modes of an account.

    `hedge`: it may hold positions of both sides; `multi_assets`: every asset is margin.
    """

    hedge: bool
    multi_assets: bool
    trades: bool


class Accounts:
    def __init__(self, interface: Interface, markets: Markets) -> None:
        self._ask, self._answer = interface.ask, interface.answer
        self._error_of, self._markets = interface.error_of, markets

    async def account(self) -> VenueAccount:
        assets, positions, modes = await side_by_side(
            [partial(self._ask, each) for each in (paths.ACCOUNT, paths.POSITIONS, paths.MODES)]
        )
        held = positions_of(positions)
        symbol_of = self._markets.symbol
        return VenueAccount(
            balances=balances_of(assets),
            margin_used=margins_of(assets),
            positions={symbol_of(each): amount for each, (amount, _) in held.items()},
            entry_prices={symbol_of(each): price for each, (_, price) in held.items() if price},
            hedge_mode=modes_of(modes).hedge,
            wrong_modes=(
                *mode_refusals(replace(modes_of(modes), hedge=False)),
                *(
                    f"{symbol_of(market)} has crossed margin: the whole wallet answers for it"
                    for market in crossed_of(positions)
                ),
            ),
        )

    async def modes(self) -> Modes:
        return modes_of(await self._ask(paths.MODES))

    async def set_up(self, symbol: str, setup: SymbolSetup) -> None:
        """Set position mode, margin type and leverage, in the order in which one allows the next.

        Each refuses a change under positions or orders (-4067, -4068, -4047, -4048, -4161), and the
        position mode also where the coin-margined side cannot follow (F12: -4531).
        """
        if not setup.one_way:
            raise OrderRejectedError(
                "positions of both sides of a symbol (hedge mode) are not kept"
            )
        market = self._markets.market(symbol)
        margin_type = "ISOLATED" if setup.isolated else "CROSSED"
        await self._set(paths.SET_POSITION_MODE, {"dualSidePosition": "false"}, SAME_MODE)
        await self._set(
            paths.SET_MARGIN_TYPE,
            {"symbol": market, "marginType": margin_type},
            SAME_MARGIN_TYPE,
        )
        wanted = {"symbol": market, "leverage": str(setup.leverage)}
        told = await self._set(paths.SET_LEVERAGE, wanted, None)
        if told is not None and told.integer("leverage") != setup.leverage:
            raise OrderRejectedError(f"the leverage is {told.integer('leverage')} now")

    async def _set(self, call: Call, params: dict[str, str], same: int | None) -> Node | None:
        """Make a setting; None: it was so before."""
        told = await self._answer(call, params)
        if isinstance(told, Refusal):
            if told.code == same and told.status < 500:
                return None
            raise self._error_of(told)
        return told


def balances_of(told: Node) -> dict[str, Decimal]:
    """Read the wallets: without what open positions have gained or lost, which is no money yet."""
    return {asset: amount for asset, amount in _wallets(told) if amount}


def _wallets(told: Node) -> Iterator[tuple[str, Decimal]]:
    seen: set[str] = set()
    for each in told.rows("assets"):
        asset = each.text("asset")
        if asset in seen:
            raise each.malformed(f"is a second wallet of {asset}")
        seen.add(asset)
        yield asset, each.decimal("walletBalance")


def margins_of(told: Node) -> dict[str, Decimal]:
    """Read what positions and orders hold of each wallet: all that is not available.

    An isolated position holds what it was opened with, and not what `initialMargin` values it at
    now; what crossed ones have lost is not available either. What is available is collateral, and
    how much that may buy depends on the symbol's leverage: no buying power is told.
    """
    used: dict[str, Decimal] = {}
    for each in told.rows("assets"):
        wallet, free = each.decimal("walletBalance"), each.decimal("availableBalance")
        holds = max(wallet - free, ZERO)
        if each.not_negative("initialMargin") and holds:
            used[each.text("asset")] = holds
    return used


def positions_of(told: Node) -> dict[str, tuple[Decimal, Decimal]]:
    """Read amounts, signed, and entry prices by the venue's name; of both sides the sum."""
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for each in told.items():
        amount, price = each.decimal("positionAmt"), each.not_negative("entryPrice")
        before, _ = found.get(each.text("symbol"), (ZERO, ZERO))
        found[each.text("symbol")] = (before + amount, price)
    return {market: held for market, held in found.items() if held[0]}


def crossed_of(told: Node) -> list[str]:
    """Return by the venue's names what is held with crossed margin: it has no wallet of its own."""
    return [
        each.text("symbol")
        for each in told.items()
        if each.decimal("positionAmt")
        and each.has("isolatedWallet")
        and not each.decimal("isolatedWallet")
    ]


def modes_of(told: Node) -> Modes:
    return Modes(
        hedge=told.flag("dualSidePosition"),
        multi_assets=told.flag("multiAssetsMargin"),
        trades=told.flag("canTrade"),
    )


def mode_refusals(modes: Modes) -> Iterator[str]:
    """Yield why nothing is traded by an account in those modes."""
    if modes.hedge:
        yield "the account is in hedge mode: switch it to one-way mode, where a sale closes a long"
    if modes.multi_assets:
        yield (
            "the account is in multi-assets mode, in which no symbol has isolated margin:"
            " switch it to single-asset mode"
        )
    if not modes.trades:
        yield "the account may not trade (canTrade)"
