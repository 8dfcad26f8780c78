"""Adopted orders: never sent, they stand for external fills in our books."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tradebotd.clocks.host import SystemHost
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, ClientOrderId, OrderId, client_order_id_for
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason, Position
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.storage import orders
from tradebotd.storage.orders import NewOrder
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.execution.order_identity import request_fingerprint
from tradebotd.trading.execution.recorder import AlsoThen, OrderRecorder

ADOPTED = "adopted"  # the reason of an adopted entry


class Ownership(Protocol):
    """Lease under which rows are written."""

    @property
    def account(self) -> str: ...

    @property
    def token(self) -> int: ...


class Adopted(NamedTuple):
    """Adoption of `fills` of one symbol and side: less of `held`, or a position of `bot`."""

    bot: BotName
    fills: Sequence[Fill]
    position_type: PositionType
    leverage: int
    exits: ExitPlan | None = None  # of a position that is opened
    held: Position | None = None


class AdoptedOrders:
    def __init__(
        self,
        *,
        database: Database,
        recorder: OrderRecorder,
        clock: Clock,
        lease: Ownership,
        nonce: bytes,
        host: HostClock | None = None,
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._clock = clock
        self._lease = lease
        self._nonce = nonce
        self._host = host or SystemHost()

    async def next(self) -> tuple[OrderId, ClientOrderId]:
        async with self._database.connection() as connection:
            order_id = await orders.next_id(connection)
        return order_id, client_order_id_for(self._nonce, order_id)

    async def book(
        self,
        adopted: Adopted,
        *,
        name: tuple[OrderId, ClientOrderId] | None = None,
        also: AlsoThen | None = None,
    ) -> CommittedChanges:
        """Book one order with all of the fills, filled and settled; *also* in the same transaction.

        Raises as `recorder.adopt`.
        """
        order_id, client_order_id = name or await self.next()
        intent = _intent(adopted)
        order = NewOrder(
            id=order_id,
            client_order_id=client_order_id,
            intent=intent,
            exits=adopted.exits if adopted.held is None else None,
            params_hash=request_fingerprint(intent.request),
            send_by=self._host.now(),
            created_at=self._clock.now(),
        )
        return await self._recorder.adopt(
            self._lease.account, self._lease.token, order, adopted.fills, also
        )


def _intent(adopted: Adopted) -> OrderIntent:
    first, held = adopted.fills[0], adopted.held
    request = OrderRequest(
        venue=first.venue,
        symbol=first.symbol,
        side=first.side,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=sum((fill.quantity for fill in adopted.fills), ZERO),
        position_type=adopted.position_type,
        reduce_only=held is not None,
    )
    return OrderIntent(
        request=request,
        bot=adopted.bot,
        leverage=adopted.leverage,
        role=OrderRole.ENTRY if held is None else OrderRole.EXIT,
        reason=ADOPTED if held is None else CloseReason.EXTERNAL,
        position_id=None if held is None else held.id,
    )
