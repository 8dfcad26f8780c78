"""Sales of an exit at the market: in parts where one order is too small, and of what is there."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderIntent
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.storage.bots import DecisionRecord
from tradebotd.storage.exit_groups import GroupKind
from tradebotd.trading.execution.placement import Prepared
from tradebotd.trading.execution.self_trades import check_no_self_trade
from tradebotd.trading.exits.exit_holds import ExitHolds
from tradebotd.trading.exits.exit_intents import ExitIntent, market_exit, rejudged
from tradebotd.trading.exits.exit_parts import ExitPart, UnfinishedExits, is_sold
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.exit_worth import ExitWorth
from tradebotd.trading.exits.shortfalls import Shortfalls
from tradebotd.trading.exits.tracked_positions import TrackedPositions
from tradebotd.trading.exits.write_offs import WriteOffs


class ExitSales:
    def __init__(
        self,
        *,
        placement: ExitPlacement,
        clock: Clock,
        symbols: Mapping[str, MarketSymbol],
        tracked: TrackedPositions,
        holds: ExitHolds,
        worth: ExitWorth,
        unfinished: UnfinishedExits,
        write_offs: WriteOffs,
        shortfalls: Shortfalls,
    ) -> None:
        self._placement = placement
        self._clock = clock
        self._symbols = symbols
        self._tracked = tracked
        self._holds = holds
        self._worth = worth
        self._unfinished = unfinished
        self._write_offs = write_offs
        self._shortfalls = shortfalls
        made_way = shortfalls.on_made_way
        placement.subscribe(retired=made_way, withdrawn=made_way)

    async def place(
        self, exit_: ExitIntent, prepared: list[Prepared], decision: DecisionRecord | None = None
    ) -> None:
        """Place the exit, and what one order was too small for, while each part is sold at once.

        What is left then is ended by the sweep. *prepared* has the first part. Raises as
        `ExitPlacement.place`; a rejection of a later part says what was sold before.
        """
        part, left, sold = await self._place_free(exit_, prepared, decision), None, ZERO
        while part.is_sold:
            sold += part.quantity
            position = self._tracked.current(exit_.position.id)
            left = part.parts_after() if left is None else left - 1
            if position is None or left <= 0 or position.id not in self._unfinished:
                return
            try:
                part = await self._place_free(replace(exit_, position=position), [])
            except OrderRejectedError as error:
                whole = exit_.position.quantity
                said = f"{error.reason} ({sold:f} of {whole:f} was sold before)"
                raise OrderRejectedError(said) from error

    async def _place_free(
        self, exit_: ExitIntent, prepared: list[Prepared], decision: DecisionRecord | None = None
    ) -> ExitPart:
        """Place one order; where it is refused for the balance, another one for what is free."""
        try:
            return await self._place(exit_, prepared, decision)
        except OrderRejectedError as error:
            position = exit_.position
            sent = sum((each.order.intent.request.quantity for each in prepared), ZERO)
            told = await self._shortfalls.less_to_sell(position, sent, error)
            if told is None:
                raise
            if told.free <= 0 or not self._sells(exit_, told.free):
                await self._shortfalls.on_unsold(position, sent, told)
                raise
        prepared.clear()  # what was rejected is over
        part = await self._place(exit_, prepared, most=told.free)
        await self._shortfalls.on_sold(position, sent, told)
        return part

    def _sells(self, exit_: ExitIntent, most: Decimal) -> bool:
        """Return whether an order of *most* is one that the venue takes."""
        position = exit_.position
        bounded = replace(position, quantity=min(position.quantity, most))
        return self._write_offs.sells(replace(exit_, position=bounded))

    async def _place(
        self,
        exit_: ExitIntent,
        prepared: list[Prepared],
        decision: DecisionRecord | None = None,
        *,
        most: Decimal | None = None,
    ) -> ExitPart:
        part = ExitPart()

        def build(read: Position) -> list[OrderIntent]:
            still = rejudged(exit_, self._tracked.as_moved(read), self._clock.now())
            price, known = self._worth.of(still), self._symbols[read.symbol].instrument
            known = self._worth.within(read, price, known, most)
            intent = market_exit(still, read, known, price)
            part.held, part.quantity = read.quantity, intent.request.quantity
            part.is_step = intent.ladder_step is not None
            return [intent]

        self._write_offs.check_sellable(exit_)
        position_id, kind = exit_.position.id, GroupKind.MARKET
        try:
            with self._holds.alarming(exit_.position, prepared):
                reports = await self._placement.place(
                    position_id, kind, build, prepared, decision, sweeps_dust=most is None
                )
        except OrderRejectedError as error:
            self._worth.note_refusal(position_id, error.reason, part.quantity)
            raise
        except OutcomeUnknownError:
            self._unfinished.note(exit_, part)
            raise
        self._unfinished.note(exit_, part)
        check_no_self_trade(reports)
        part.is_sold = is_sold(reports)
        return part
