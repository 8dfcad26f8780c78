"""Adoption of what external trades did: a position of a bot, or less of the one it has."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO, floor_to_step
from tradebotd.domain.errors import OrderDeniedError, RefusedError, VenueError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import (
    BotName,
    ClientOrderId,
    OrderId,
    PositionId,
    TradeId,
    VenueName,
)
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.position import Position
from tradebotd.domain.refusal import RefusalCode
from tradebotd.domain.side import PositionSide, Side
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue, VenueAccount
from tradebotd.risk.exit_levels import levels_for, tightest_stop
from tradebotd.risk.sellable import sellable
from tradebotd.storage import externals, positions
from tradebotd.storage.positions import HeldSum
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.reconciliation.adopted_orders import ADOPTED, Adopted, AdoptedOrders
from tradebotd.trading.reconciliation.external_activity import ExternalActivity
from tradebotd.trading.reconciliation.holdings import Holdings
from tradebotd.trading.reconciliation.reconciler import Reconciled, Reconciler
from tradebotd.trading.reconciliation.rules import Difference, net

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0
COMPARE_ATTEMPTS: Final = 3  # a fill of ours that comes in between is booked first


class _AdoptionPlan(NamedTuple):
    """Difference between venue and books, and where it is to go.

    `held`: what the bot has now, else the closed futures position whose dust has become less.
    `dust`: of all closed ones of the side that has become less.
    """

    spec: BotSpec
    symbol: MarketSymbol
    excess: Decimal
    held: Position | None
    dust: Decimal
    fills: tuple[Fill, ...]  # those that explain it; none: its history is unknown
    price: Decimal

    @property
    def side(self) -> Side:
        return Side.BUY if self.excess > 0 else Side.SELL

    @property
    def entry_price(self) -> Decimal:
        """Entry price of a position made of it."""
        base = self.symbol.instrument.base_asset
        if not self.fills:
            return self.price
        return sum((net(fill, base) * fill.price for fill in self.fills), ZERO) / self.excess


class Adoption:
    """Adoption, only on request. Nothing is sent: our books follow what the venue says."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        specs: Mapping[BotName, BotSpec],
        holdings: Holdings,
        external: ExternalActivity,
        orders: AdoptedOrders,
        reconciler: Reconciler,
        clock: Clock,
    ) -> None:
        self._database = database
        self._venues = venues
        self._symbols = symbols
        self._specs = specs
        self._reconciler = reconciler
        self._holdings = holdings
        self._externals = external
        self._orders = orders
        self._clock = clock
        self._one_at_a_time = anyio.Lock()  # of two callers the second finds what the first left

    async def adopt(self, venue: VenueName, symbol: str, bot: BotName) -> PositionId:
        """Adopt a difference; return the position that it went into, or out of.

        Raises RefusedError when it does not fit, AccountTakenError, DatabaseUnavailableError.
        """
        async with self._one_at_a_time:
            return await self._adopt(venue, symbol, bot)

    async def _adopt(self, venue: VenueName, symbol: str, bot: BotName) -> PositionId:
        spec, market = self._bot_and_symbol(venue, symbol, bot)
        before, account, seen = await self._compare(venue, symbol)
        difference = await self._difference(venue, market, spec, account, before)
        if difference not in (*seen.external, *seen.differences):
            raise _changed(symbol)  # since the account was asked for
        async with self._database.connection() as connection:
            open_id = await positions.select_open_id(connection, bot, symbol)
            held = None if open_id is None else await positions.select_one(connection, open_id)
            left = (
                await positions.select_futures_dust(
                    connection, venue, symbol, _side_that_lacks(difference)
                )
                if spec.position_type is PositionType.FUTURES
                else []
            )
        dust = sum((quantity for _, quantity in left), ZERO)
        if held is None and left and abs(difference.excess) <= dust:
            held = left[0][0]
        fills = await self._externals.fills_behind(difference)
        if not fills and (doubtful := await self._externals.in_doubt_behind(difference)):
            raise _doubtful_order(doubtful)
        plan = _AdoptionPlan(
            spec=spec,
            symbol=market,
            excess=difference.excess,
            held=held,
            dust=dust,
            fills=_one_way(fills, symbol, difference.excess),
            price=await self._price(market, account, difference),
        )
        _check(plan)
        if await self._holdings.moving(before, [venue]):
            raise _changed(symbol)
        return await self._book(plan, [fill.trade_id for fill in fills])

    # Current state

    def _bot_and_symbol(
        self, venue: VenueName, symbol: str, bot: BotName
    ) -> tuple[BotSpec, MarketSymbol]:
        spec, market = self._specs.get(bot), self._symbols.get(symbol)
        if spec is None:
            raise RefusedError(
                RefusalCode.NO_SUCH_BOT, f"there is no bot {bot}", known=tuple(self._specs)
            )
        if spec.symbol != symbol or market is None:
            raise RefusedError(
                RefusalCode.OTHER_SYMBOL, f"{bot} trades {spec.symbol}, not {symbol}"
            )
        if venue not in self._venues or market.instrument.venue != venue:
            raise RefusedError(
                RefusalCode.OTHER_VENUE, f"{symbol} is traded at {market.instrument.venue}"
            )
        return spec, market

    async def _compare(
        self, venue: VenueName, symbol: str
    ) -> tuple[Sequence[HeldSum], VenueAccount, Reconciled]:
        """Return our holdings, the venue's account, and a reconciliation that ran after both.

        A resting order of ours may have been filled, unreported, before the account was asked for,
        which is no difference; external trades are reported only on request. So all that is known
        at the venue is booked after the account was read, and none of it may have changed our
        holdings.
        """
        for _ in range(COMPARE_ATTEMPTS):
            before = await self._holdings.sums()
            account = await self._account(self._venues[venue])
            seen = await self._reconciler.run()
            if venue in seen.failed:
                raise RefusedError(RefusalCode.VENUE_UNAVAILABLE, f"{venue}: {seen.failed[venue]}")
            if not await self._holdings.moving(before, [venue]):
                return before, account, seen
        raise _changed(symbol)

    async def _account(self, venue: Venue) -> VenueAccount:
        try:
            with anyio.fail_after(ASK_SECONDS):
                return await venue.account()
        except (VenueError, TimeoutError) as error:
            detail = str(error) or "timed out"
            raise RefusedError(RefusalCode.VENUE_UNAVAILABLE, f"{venue.name}: {detail}") from error

    async def _difference(
        self,
        venue: VenueName,
        market: MarketSymbol,
        spec: BotSpec,
        account: VenueAccount,
        before: Sequence[HeldSum],
    ) -> Difference:
        is_futures = spec.position_type is PositionType.FUTURES
        subject = market.symbol if is_futures else market.instrument.base_asset
        for difference in await self._holdings.differences(before, {venue: account}):
            if difference.subject == subject:
                break
        else:
            message = f"nothing to adopt: our books and {venue} hold the same {subject}"
            raise RefusedError(RefusalCode.NOTHING_TO_ADOPT, message)
        async with self._database.connection() as connection:
            doubtful = await externals.select_doubtful(connection, venue, market.symbol)
        if doubtful is not None:
            raise _doubtful_order(doubtful)
        return difference

    async def _price(
        self, market: MarketSymbol, account: VenueAccount, difference: Difference
    ) -> Decimal:
        """Return the venue's entry price of a futures position, else the last price.

        The entry price counts only where no part of the position is ours.
        """
        entry_price = account.entry_prices.get(difference.subject)  # by symbol: an asset has none
        if entry_price is not None and difference.ours == 0 and entry_price > 0:
            return entry_price
        try:
            with anyio.fail_after(ASK_SECONDS):
                quotes = await self._venues[difference.venue].quotes([market])
        except (VenueError, TimeoutError) as error:
            raise RefusedError(RefusalCode.VENUE_UNAVAILABLE, f"no price: {error}") from error
        quote = quotes.get(market.symbol)
        if quote is None or quote.last <= 0:
            raise RefusedError(RefusalCode.NO_PRICE, f"{market.symbol} has no price yet")
        return quote.last

    # Into the books

    async def _book(self, plan: _AdoptionPlan, trade_ids: Sequence[TradeId]) -> PositionId:
        name = await self._orders.next()
        spec, held = plan.spec, plan.held
        adopted = Adopted(
            bot=spec.name,
            fills=plan.fills or (self._synthetic_fill(plan, *name),),
            position_type=spec.position_type if held is None else held.position_type,
            leverage=spec.leverage if held is None else held.leverage,
            exits=spec.exits,
            held=held,
        )
        venue, symbol = plan.symbol.instrument.venue, plan.symbol.symbol

        async def mark(connection: Connection, changes: CommittedChanges) -> None:
            await externals.adopt(connection, venue, symbol, trade_ids, _changed_position(changes))

        try:
            changes = await self._orders.book(adopted, name=name, also=mark)
        except OrderDeniedError as error:
            raise RefusedError(error.rule, error.detail) from error
        position_id = _changed_position(changes)
        log.warning(
            "external trade adopted",
            bot=spec.name,
            symbol=symbol,
            quantity=plan.excess,
            position=position_id,
        )
        return position_id

    def _synthetic_fill(self, plan: _AdoptionPlan, order_id: OrderId, name: ClientOrderId) -> Fill:
        """Return a synthetic fill for an unknown history: at once, at one price, without a fee."""
        instrument = plan.symbol.instrument
        return Fill(
            venue=instrument.venue,
            symbol=instrument.symbol,
            trade_id=TradeId(f"{ADOPTED}-{order_id}"),
            client_order_id=name,
            side=plan.side,
            quantity=abs(plan.excess),
            price=plan.price,
            fee=ZERO,
            fee_asset=instrument.quote_asset,
            executed_at=self._clock.now(),
        )


def _doubtful_order(order: str) -> RefusedError:
    return RefusedError(
        RefusalCode.ORDER_UNKNOWN,
        f"it may be our own order {order}, of which nothing is known yet",
        "wait until it is settled",
    )


def _changed(symbol: str) -> RefusedError:
    return RefusedError(RefusalCode.CHANGED_MEANWHILE, f"{symbol} was traded just now", "try again")


def _changed_position(changes: CommittedChanges) -> PositionId:
    """Return the position that the fills went into, or out of."""
    return changes.touched[0].id


def _side_that_lacks(difference: Difference) -> PositionSide:
    return PositionSide.SHORT if difference.excess > 0 else PositionSide.LONG


def _one_way(fills: Sequence[Fill], symbol: str, excess: Decimal) -> tuple[Fill, ...]:
    """Return *fills* if all are of this symbol to the one side: only they can be one order."""
    fits = all(fill.symbol == symbol and fill.side.sign * excess > 0 for fill in fills)
    return tuple(fills) if fits else ()


def _check(plan: _AdoptionPlan) -> None:
    """Check that it fits the bot and what it holds. Raises RefusedError."""
    spec, held, excess = plan.spec, plan.held, plan.excess
    if held is not None:
        if held.signed_quantity * excess > 0:
            raise RefusedError(RefusalCode.POSITION_OPEN, f"{spec.name} holds a position already")
        known = held.quantity + plan.dust
        if abs(excess) > known:
            raise RefusedError(
                RefusalCode.TOO_MUCH, f"{abs(excess):f} is gone, {spec.name} holds {known:f} of it"
            )
        if held.quantity and not _takes_a_lot(held.quantity, abs(excess), plan):
            raise RefusedError(RefusalCode.TOO_SMALL, f"{abs(excess):f} is less than a lot")
        return
    if spec.exits.needs_atr:
        raise RefusedError(
            RefusalCode.NEEDS_RANGE,
            f"the exits of {spec.name} are multiples of a range measured at its own entry",
            "adopt it for a bot whose exits are fractions, then set its levels",
        )
    is_futures = spec.position_type is PositionType.FUTURES
    if excess < 0 and not is_futures:
        raise RefusedError(
            RefusalCode.NOTHING_HELD, f"{spec.name} holds nothing that could be less"
        )
    if excess < 0 and not spec.allow_short:
        raise RefusedError(RefusalCode.SHORT_NOT_ALLOWED, f"{spec.name} may not be short")
    way_out = _way_out(plan)
    sold = plan.symbol.instrument.order(OrderType.MARKET)
    if not sellable(abs(excess), way_out, sold, position_type=spec.position_type):
        raise RefusedError(
            RefusalCode.TOO_SMALL, f"of {abs(excess):f} no exit could sell anything at {way_out:f}"
        )


def _takes_a_lot(held: Decimal, gone: Decimal, plan: _AdoptionPlan) -> bool:
    """Return whether exits sell less of *held* without what is *gone*: they would be refused."""
    lot = plan.symbol.instrument.lot_size
    return floor_to_step(held - gone, lot) < floor_to_step(held, lot)


def _way_out(plan: _AdoptionPlan) -> Decimal:
    """Return the worst price that it may have to be sold at: now, or at its own stop."""
    side = PositionSide.LONG if plan.excess > 0 else PositionSide.SHORT
    levels = levels_for(plan.spec.exits, side, plan.entry_price, plan.symbol.instrument)
    stop = tightest_stop(side, levels)
    return plan.price if stop is None or stop <= 0 else min(plan.price, stop)
