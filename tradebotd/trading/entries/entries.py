"""Entry orders: price, exits, size, limits, and the row that proves all of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import anyio

from tradebotd.domain.bot import AccountLimits, BotSpec, SizingKind
from tradebotd.domain.candle import Candle
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import EntryPostponedError, FeedError, OrderDeniedError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.domain.order import (
    OrderIntent,
    OrderReport,
    OrderRequest,
    OrderRole,
    OrderType,
    TimeInForce,
)
from tradebotd.domain.side import PositionSide
from tradebotd.risk.limits import EntryTerms, approve_entry, reached_account_limit
from tradebotd.risk.sellable import least_entry
from tradebotd.risk.sizing import entry_quantity
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.entry_facts import AccountRecord, EntryFacts, EntryHistory
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.account_values import AccountStanding, Valuation
from tradebotd.trading.account.daily_limits import reached_limit
from tradebotd.trading.account.shared_answers import Answers, no_answer
from tradebotd.trading.account.trading_day import local_day
from tradebotd.trading.account.valuation import Account
from tradebotd.trading.entries.entry_filters import EntryFilters, PlannedTrade
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.entries.entry_pass import EntryPass
from tradebotd.trading.entries.entry_plan import (
    EntryPlan,
    check_not_met,
    liquidation_of,
    plan_entry,
)
from tradebotd.trading.entries.entry_prices import EntryPrices, Quote
from tradebotd.trading.entries.symbol_setups import SymbolSetups
from tradebotd.trading.execution.placement import Placement, Prepared

ATTEMPTS: Final = 6
REPEATS: Final = 2  # for an answer that may only be too cautious
_FIXED: Final = frozenset({SizingKind.FIXED_QUANTITY, SizingKind.FIXED_NOTIONAL})
_BY_WORTH: Final = frozenset(
    {
        DenialRule.INSUFFICIENT_BALANCE,
        DenialRule.INSUFFICIENT_BUYING_POWER,
        DenialRule.BELOW_FILTERS,
        DenialRule.MAX_EXPOSURE,
        DenialRule.MAX_DAILY_LOSS,
        DenialRule.MAX_DRAWDOWN,
    }
)


class Entries:
    """Entries of one account: sized and approved one after the other, sent concurrently.

    Two bots must not both fit into the same last share of the exposure.
    """

    def __init__(
        self,
        *,
        database: Database,
        account: Account,
        prices: EntryPrices,
        placement: Placement,
        gate: EntryGate,
        filters: EntryFilters,
        limits: AccountLimits,
        setups: SymbolSetups,
    ) -> None:
        self._database = database
        self.account = account
        self._prices = prices
        self._placement = placement
        self._gate = gate
        self._filters = filters
        self._setups = setups
        self._halts = gate.account_halts
        self.limits = limits
        self._one_at_a_time = anyio.Lock()

    async def enter(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        side: PositionSide,
        decision: DecisionRecord,
        candles: Sequence[Candle],
        now: datetime,
    ) -> OrderReport:
        """Enter a position. Raises OrderDeniedError (with its rule), FeedError, VenueError.

        The reasons to stop entries are checked after each wait, in the row's transaction, and until
        the order leaves. *candles*: closed ones of the bot's timeframe, as many as its ranges need.
        The price is the newest when it is this entry's turn; venues are asked before and between
        its turns, so that no other entry waits for an answer.
        """
        venue = symbol.instrument.venue
        permit = self._gate.admit(spec.name, venue)
        self._filters.check_symbol(spec, symbol.instrument, side)
        async with self._setups.ensured(spec, symbol):
            quote, average = await self._prices.quote(symbol), await self._filters.average(symbol)
            wanted = _Wanted(spec, symbol, side, decision, candles, now, quote, average)
            prepared = await self._prepared(wanted, permit, venue)
        if prepared is None:
            raise EntryPostponedError(
                DenialRule.ACCOUNT_MOVING, f"{ATTEMPTS} answers were overtaken by exits"
            )
        with permit.sending():
            return await self._placement.send(prepared, send_blocked_by=permit.send_blocked_by)

    async def _prepared(
        self, wanted: "_Wanted", permit: EntryPass, venue: VenueName
    ) -> Prepared | None:
        """Write the entry's row; None: each of so many answers was overtaken."""
        answers = await self.account.ask(venue)
        for attempt in range(ATTEMPTS):
            if attempt:
                answers = await self.account.ask(venue, answers)
            async with self._one_at_a_time:
                prepared = await self._prepare(
                    wanted, permit, answers, may_repeat=attempt < REPEATS
                )
            if prepared is not None:
                return prepared
        return None

    async def _prepare(
        self, wanted: "_Wanted", permit: EntryPass, answers: Answers, *, may_repeat: bool
    ) -> Prepared | None:
        """Write the entry's row by what the venues have answered; no venue is asked here.

        Returns None where they must be asked again: an answer does not hold any more, or
        (*may_repeat*) it may count an entry under way twice, and a limit denies this one by it.
        """
        permit.check()
        facts = await self._facts(wanted.spec, wanted.now)
        valuation = self.account.value_by(facts.flows, answers)
        if valuation is None:
            return None
        try:
            return await self._write(wanted, permit, facts, valuation)
        except OrderDeniedError as error:
            if may_repeat and valuation.cautious and error.rule in _BY_WORTH:
                return None
            raise

    async def _write(
        self, wanted: "_Wanted", permit: EntryPass, facts: EntryFacts, valuation: Valuation
    ) -> Prepared:
        spec, symbol, now = wanted.spec, self._filters.in_force(wanted.symbol), wanted.now
        venue = symbol.instrument.venue
        if venue in valuation.silent:
            raise no_answer(venue, valuation.silent[venue])
        standing = await self.review(valuation, now, facts.record)
        halt = self._halts.current
        if halt is not None:
            raise OrderDeniedError(halt.rule, halt.detail)
        reached = reached_account_limit(standing.state, self.limits)
        if reached is not None and not valuation.certain:
            raise EntryPostponedError(*reached)
        permit.check()
        price = self._prices.newest(symbol, wanted.quote)
        plan = plan_entry(spec, symbol.instrument, wanted.side, price, wanted.candles)
        kind = plan.exits.trigger_price.kind(plan.side)
        check_not_met(plan, self._prices.of_kind(symbol, kind))
        trade = self._filters.planned(spec, symbol.instrument, plan, wanted.average)
        quantity = self._quantity(trade, valuation, standing)
        intent = _intent(spec, symbol, plan, quantity, wanted.decision, now)
        approved = approve_entry(
            intent,
            plan.price,
            standing.state,
            self.limits,
            self._terms(spec, symbol, plan, facts.own, quantity),
        )
        await self._filters.check(intent.request, symbol.instrument, price, wanted.average)
        return await self._placement.prepare(
            approved,
            exits=plan.exits,
            decision=wanted.decision,
            limit_of=lambda counted: reached_limit(
                spec, counted, local_day(now, spec.day_zone), self.account.currencies
            ),
        )

    async def review(
        self, valuation: Valuation, now: datetime, record: AccountRecord | None = None
    ) -> AccountStanding:
        """Return the account's standing; a limit reached beyond doubt halts entries from here on.

        A sum of two moments is no proof: it keeps this entry waiting, and the next snapshot judges.
        """
        standing = await self.account.standing(valuation, now, record)
        if valuation.certain:
            account = self.account
            await self._halts.judge(account.name, standing.state, self.limits, account.zone)
        return standing

    async def _facts(self, spec: BotSpec, now: datetime) -> EntryFacts:
        facts = await self.account.facts(spec.name, now - (spec.cooldown or timedelta()), now)
        stopped_at = facts.own.stopped_at
        if spec.cooldown is not None and stopped_at is not None:
            until = stopped_at + spec.cooldown
            raise OrderDeniedError(
                DenialRule.COOLDOWN, f"a stop closed its position; until {until}"
            )
        return facts

    def _quantity(
        self, trade: PlannedTrade, valuation: Valuation, standing: AccountStanding
    ) -> Decimal:
        """Return the quantity to enter.

        Sized in the symbol's quote asset; equity and limits are in the account's currency.
        """
        spec, plan, instrument = trade.spec, trade.plan, trade.traded
        own = valuation.bots.get(spec.name)
        if own is None:
            raise FeedError(f"{spec.name} traded in something that nothing converts any more")
        rate = self.account.currencies.rate(instrument.quote_asset)
        free = standing.free.get((instrument.venue, instrument.quote_asset), Decimal(0))
        power = valuation.powers.get((instrument.venue, instrument.quote_asset))
        quantity = entry_quantity(
            spec.sizing,
            price=plan.price,
            equity=own.equity / rate,
            free_cash=min(free, own.cash / rate),
            instrument=instrument,
            leverage=spec.leverage,
            position_type=spec.position_type,
            cost_buffer=self._filters.costs.cost_buffer(instrument),
            stop_distance=plan.stop_distance,
            exposure_left=self._exposure_left(trade, standing, rate, power),
            stop=plan.stop,
            base_fee=self._filters.costs.base_fee(instrument),
            judged_at=trade.judged_at,
        )
        if power is not None and quantity * plan.price > power:
            raise _beyond(power, quantity, plan)
        return quantity

    def _exposure_left(
        self,
        trade: PlannedTrade,
        standing: AccountStanding,
        rate: Decimal,
        power: Decimal | None,
    ) -> Decimal | None:
        """Return what a share of the equity may shrink to; a fixed amount is refused as it is.

        *power*: the notional that the venue still allows, in the quote asset.

        Raises OrderDeniedError when not even the least order fits.
        """
        spec, plan, instrument = trade.spec, trade.plan, trade.traded
        if spec.sizing.kind in _FIXED:
            return None
        state = standing.state
        remaining = (self.limits.max_exposure * state.equity - state.exposure) / rate
        least = least_entry(
            trade.judged_at,
            plan.price if plan.stop is None else plan.stop,
            instrument,
            self._filters.costs.base_fee(instrument),
            spec.position_type,
        )
        if remaining < least * plan.price:
            raise OrderDeniedError(
                DenialRule.MAX_EXPOSURE,
                f"{state.exposure} is open of {self.limits.max_exposure} of {state.equity}",
            )
        if power is None:
            return remaining
        if power < least * plan.price:
            raise _beyond(power, least, plan)
        return min(remaining, power)

    def _terms(
        self,
        spec: BotSpec,
        symbol: MarketSymbol,
        plan: EntryPlan,
        history: EntryHistory,
        quantity: Decimal,
    ) -> EntryTerms:
        instrument = symbol.instrument
        futures = spec.position_type is PositionType.FUTURES
        return EntryTerms(
            bot_orders_last_minute=history.entries,
            max_bot_orders_per_minute=spec.limits.max_orders_per_minute,
            reference_price=plan.reference_price,
            side=plan.side,
            stop=plan.stop,
            liquidation_price=liquidation_of(plan, spec, instrument, quantity),
            max_leverage=instrument.max_leverage if futures else None,
            max_notional=instrument.notional_cap(spec.leverage) if futures else None,
            rate=self.account.currencies.rate(instrument.quote_asset),
        )


def _beyond(power: Decimal, quantity: Decimal, plan: EntryPlan) -> OrderDeniedError:
    return OrderDeniedError(
        DenialRule.INSUFFICIENT_BUYING_POWER,
        f"{quantity} at {plan.price} is more than {power}, which the venue allows",
    )


class _Wanted(NamedTuple):
    """An entry that a bot wants; *quote*: of the venue, where no price was fresh; *average*: the
    price that the symbol's notional is judged by, if it is another.
    """

    spec: BotSpec
    symbol: MarketSymbol
    side: PositionSide
    decision: DecisionRecord
    candles: Sequence[Candle]
    now: datetime
    quote: Quote | None
    average: Decimal | None


def _intent(
    spec: BotSpec,
    symbol: MarketSymbol,
    plan: EntryPlan,
    quantity: Decimal,
    decision: DecisionRecord,
    now: datetime,
) -> OrderIntent:
    rests = plan.limit_price is not None
    request = OrderRequest(
        venue=symbol.instrument.venue,
        symbol=spec.symbol,
        side=plan.side.entry,
        type=OrderType.LIMIT if rests else OrderType.MARKET,
        time_in_force=TimeInForce.GTC if rests else TimeInForce.IOC,
        quantity=quantity,
        position_type=spec.position_type,
        limit_price=plan.limit_price,
    )
    return OrderIntent(
        request=request,
        bot=spec.name,
        leverage=spec.leverage,
        role=OrderRole.ENTRY,
        reason=decision.reason,
        expires_at=now + spec.entry.lifetime if rests else None,
    )
