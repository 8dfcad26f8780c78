"""Wiring of reconciliation, which asks the venues and corrects our records."""

from typing import NamedTuple

from tradebotd.clocks.host import SystemHost
from tradebotd.daemon.wiring.core import TradingCore
from tradebotd.ports.clock import HostClock
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.reconciliation.adopted_orders import AdoptedOrders
from tradebotd.trading.reconciliation.adoption import Adoption
from tradebotd.trading.reconciliation.agreement import Agreement
from tradebotd.trading.reconciliation.cash_check import CashCheck
from tradebotd.trading.reconciliation.dust_closes import DustCloses
from tradebotd.trading.reconciliation.excess_fills import ExcessFills
from tradebotd.trading.reconciliation.exit_evidence import ExitEvidence
from tradebotd.trading.reconciliation.external_activity import ExternalActivity
from tradebotd.trading.reconciliation.forced_closes import ForcedCloses
from tradebotd.trading.reconciliation.funding import FundingRecorder
from tradebotd.trading.reconciliation.holdings import Holdings
from tradebotd.trading.reconciliation.late_fees import LateFees
from tradebotd.trading.reconciliation.prompt_looks import PromptLooks
from tradebotd.trading.reconciliation.reconciler import Reconciler, ReconciliationParts
from tradebotd.trading.reconciliation.unknown_orders import UnknownOrderResolver


class Reconciliation(NamedTuple):
    reconciler: Reconciler
    looks: PromptLooks
    adoption: Adoption
    external: ExternalActivity
    evidence: ExitEvidence


def wire_reconciliation(core: TradingCore, recorder: OrderRecorder) -> Reconciliation:
    host = core.host or SystemHost()
    holdings, adopted, external = _holdings(core, recorder, host)
    reconciler = Reconciler(
        _parts(core, recorder, host, holdings, external),
        database=core.database,
        venues=core.venues,
        recorder=recorder,
        clock=core.clock,
        host=host,
    )
    return Reconciliation(
        reconciler=reconciler,
        looks=PromptLooks(
            database=core.database, venues=core.venues, in_flight=recorder.in_flight, host=host
        ),
        adoption=Adoption(
            database=core.database,
            venues=core.venues,
            symbols=core.symbols,
            specs=core.specs,
            holdings=holdings,
            external=external,
            orders=adopted,
            reconciler=reconciler,
            clock=core.clock,
        ),
        external=external,
        evidence=ExitEvidence(
            database=core.database,
            venues=core.venues,
            recorder=recorder,
            holdings=holdings,
            externals=external,
        ),
    )


def _holdings(
    core: TradingCore, recorder: OrderRecorder, host: HostClock
) -> tuple[Holdings, AdoptedOrders, ExternalActivity]:
    holdings = Holdings(
        database=core.database,
        symbols=core.symbols,
        specs=core.specs,
        recorder=recorder,
        clock=core.clock,
    )
    adopted = AdoptedOrders(
        database=core.database,
        recorder=recorder,
        clock=core.clock,
        lease=core.lease,
        nonce=core.nonce,
        host=host,
    )
    dust = DustCloses(database=core.database, orders=adopted)
    external = ExternalActivity(
        database=core.database,
        venues=core.venues,
        holdings=holdings,
        clock=core.clock,
        forced=ForcedCloses(database=core.database, clock=core.clock, orders=adopted, dust=dust),
        excess=ExcessFills(database=core.database, holdings=holdings, orders=adopted, dust=dust),
        dust=dust,
    )
    return holdings, adopted, external


def _parts(
    core: TradingCore,
    recorder: OrderRecorder,
    host: HostClock,
    holdings: Holdings,
    external: ExternalActivity,
) -> ReconciliationParts:
    return ReconciliationParts(
        unknown_orders=UnknownOrderResolver(
            database=core.database,
            venues=core.venues,
            recorder=recorder,
            holdings=holdings,
            externals=external,
            clock=core.clock,
            host=host,
        ),
        holdings=holdings,
        external=external,
        funding=FundingRecorder(
            database=core.database,
            venues=core.venues,
            symbols=core.symbols,
            clock=core.clock,
            days=recorder.days,
        ),
        late_fees=LateFees(database=core.database, clock=core.clock, days=recorder.days),
        cash=CashCheck(
            database=core.database,
            venues=core.venues,
            symbols=core.symbols,
            holdings=holdings,
            clock=core.clock,
        ),
        agreement=Agreement(core.database, core.clock),
        streams=core.streams,
        hedge=core.hedge,
    )
