"""M4.4a on the paper venue: a limit entry meets the path, in part or never, also after a restart."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.signal import SignalKind
from tradebotd.risk.sizing import DEFAULT_COST_BUFFER
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms
from tradebotd.venues.paper.venue import PaperVenue

BUY = SignalKind.BUY
LIMITED = spec(
    entry=EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
)


class PaperHarness:
    """A harness whose one venue is a paper venue that tells it of its fills."""

    def __init__(self, harness: TradingHarness) -> None:
        self.harness = harness
        terms = PaperTerms(
            starting_cash={"USDT": Decimal(10_000)},
            maker=Decimal("0.0002"),
            taker=Decimal("0.0004"),
            slippage_bps=Decimal(1),
            spread_bps=Decimal(1),
        )
        instruments = {name: symbol.instrument for name, symbol in harness.symbols.items()}
        self.venue = PaperVenue(
            SCRIPTED, harness.clock, harness.prices, harness.database, terms, instruments
        )
        self.venue.listen(self._hear)
        harness.placement._venues[SCRIPTED] = self.venue  # type: ignore[index]

    async def _hear(self, report: Any) -> None:
        await self.harness.recorder.record(report)

    async def point(self, price: str) -> None:
        """As the playback does: our own triggers first, then what rests at the venue."""
        self.harness.clock.advance(timedelta(seconds=20))
        at = Tick(self.harness.clock.now(), SYMBOL, Decimal(price))
        for acting in (self.harness.protection.on_tick(at), self.venue.on_tick(at)):
            if acting is not None:
                await acting


async def opened(database: Database, *, restarted: bool = False) -> PaperHarness:
    harness = await open_harness(database, LIMITED, restarted=restarted)
    return PaperHarness(harness)


async def buy(paper: PaperHarness) -> dict[str, Any]:
    await paper.harness.candles(100.0, 100.0)
    paper.harness.says(BUY)
    await paper.harness.run()
    (order,) = await paper.harness.orders()
    return order


async def test_the_path_fills_it_at_its_limit_as_a_maker(database: Database) -> None:
    """M4.4a, M4.7: at 99 and no better, protected from there on, stopped like any other."""
    paper = await opened(database)
    assert (await buy(paper))["status"] == "new"
    await paper.point("99.01")
    assert await paper.harness.rows("SELECT * FROM positions") == []

    await paper.point("98.5")

    position = await paper.harness.position()
    assert (position["entry_price"], position["stop_loss"]) == (Decimal(99), Decimal("94.05"))
    assert position["fees"] == 99 * Decimal("0.0002")
    await paper.point("94")
    assert (await paper.harness.position())["close_reason"] == "stop_loss"
    assert await paper.harness.broken_books() == []


async def test_after_a_restart_it_still_fills_or_ends(database: Database) -> None:
    """M1.3: it rests in the venue's books, its lifetime in ours."""
    before = await opened(database)
    await buy(before)
    after = await opened(database, restarted=True)
    after.harness.clock.advance(timedelta(minutes=1))
    await after.point("99.5")

    await after.point("98.9")

    assert (await after.harness.position())["entry_price"] == 99
    assert (await after.harness.entry_orders.sweep(after.harness.clock.now())).resting == 0


async def test_its_end_frees_the_cash_it_held(database: Database) -> None:
    """M4.6: and a path that comes later meets nothing."""
    paper = await opened(database)
    await buy(paper)
    held = await paper.harness.account.standing(
        await paper.harness.account.value(), paper.harness.clock.now()
    )
    assert held.free[SCRIPTED, "USDT"] == 10_000 - 99 * (1 + DEFAULT_COST_BUFFER)
    await paper.point("99.5")
    paper.harness.clock.advance(timedelta(minutes=5))

    result = await paper.harness.entry_orders.sweep(paper.harness.clock.now())

    assert list(result.cancelled.values()) == ["its lifetime is over"]
    await paper.point("98")
    assert await paper.harness.rows("SELECT * FROM positions") == []
    standing = await paper.harness.account.standing(
        await paper.harness.account.value(), paper.harness.clock.now()
    )
    assert standing.free[SCRIPTED, "USDT"] == 10_000


async def test_a_reconciliation_finds_what_was_filled_unheard(database: Database) -> None:
    """M5.5: the venue told nobody; the next reconciliation asks."""
    paper = await opened(database)
    await buy(paper)

    async def deaf(_: Any) -> None:
        return None

    paper.venue.listen(deaf)
    await paper.point("98.5")
    assert await paper.harness.rows("SELECT * FROM positions") == []

    await paper.harness.reconciler.run()

    assert (await paper.harness.position())["entry_price"] == 99
    assert len(paper.harness.protection.held) == 1
