"""`exit_groups`: per position one active and at most one retiring group, with its orders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, LiteralString, NamedTuple

import asyncpg

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import ClientOrderId, OrderId, PositionId, VenueName
from tradebotd.domain.order import OrderStatus, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.storage.postgres.database import Connection

INSERT: Final[LiteralString] = """
    INSERT INTO exit_groups (position_id, role, kind, made_at) VALUES ($1, 'active', $2, $3) RETURNING id
"""
RETIRE: Final[LiteralString] = """
    UPDATE exit_groups SET role = 'retiring', retired_at = $2
     WHERE id = $1 AND role = 'active'
       AND NOT EXISTS (SELECT 1 FROM exit_groups AS other
                        WHERE other.position_id = exit_groups.position_id AND other.role = 'retiring')
    RETURNING id
"""
REACTIVATE: Final[LiteralString] = """
    UPDATE exit_groups SET role = 'active', retired_at = NULL
     WHERE id = $1 AND role = 'retiring'
       AND NOT EXISTS (SELECT 1 FROM exit_groups AS other
                        WHERE other.position_id = exit_groups.position_id AND other.role = 'active')
"""
TAKE_OVER: Final[LiteralString] = """
    UPDATE exit_groups SET kind = $2, made_at = $3
     WHERE id = $1 AND role = 'active'
       AND NOT EXISTS (SELECT 1 FROM orders WHERE exit_group_id = $1 AND NOT settled
                          AND NOT ($4 AND status IN ('pending_new', 'unknown')))
    RETURNING id
"""
# An empty group that was made for the next exit ends with its position, too.
CLOSE: Final[LiteralString] = """
    UPDATE exit_groups AS g SET role = 'closed'
     WHERE (g.id = $1 OR g.position_id = (SELECT e.position_id FROM exit_groups AS e
                                            JOIN positions AS p ON p.id = e.position_id
                                           WHERE e.id = $1 AND p.closed_at IS NOT NULL))
       AND g.role <> 'closed'
       AND NOT EXISTS (SELECT 1 FROM orders WHERE exit_group_id = g.id AND NOT settled)
"""
# Columns that `groups_of` reads, of a group and of one of its orders.
COLUMNS: Final = """
           g.id AS group_id, g.role, g.kind, o.id AS order_id, o.client_order_id,
           o.venue AS order_venue, o.symbol AS order_symbol, o.type, o.status, o.quantity AS order_quantity, o.stop_price,
           o.limit_price, o.working_price, o.time_in_force, o.settled, o.send_by, o.created_at
"""
_OF_POSITIONS: Final = """
      FROM exit_groups AS g
      LEFT JOIN orders AS o ON o.exit_group_id = g.id
     WHERE g.position_id = ANY ($1::bigint[]) AND g.role <> 'closed'
     ORDER BY g.id, o.id
"""
SELECT: Final[LiteralString] = "SELECT g.position_id," + COLUMNS + _OF_POSITIONS
SELECT_SETTLED: Final[LiteralString] = "SELECT settled FROM orders WHERE id = $1"
SELECT_LEFTOVER: Final[LiteralString] = """
    SELECT DISTINCT g.position_id
      FROM exit_groups AS g JOIN positions AS p ON p.id = g.position_id
     WHERE g.role <> 'closed' AND p.closed_at IS NOT NULL
     ORDER BY g.position_id
     LIMIT $1
"""


class GroupKind(StrEnum):
    MARKET = "market"
    RESTING = "resting"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOrder:
    id: OrderId
    client_order_id: ClientOrderId
    venue: VenueName
    symbol: str
    type: OrderType
    status: OrderStatus
    quantity: Decimal
    stop_price: Decimal | None
    limit_price: Decimal | None
    time_in_force: TimeInForce
    settled: bool
    send_by: datetime  # host time
    created_at: datetime  # market time
    working_price: PriceKind = PriceKind.LAST

    @property
    def is_live(self) -> bool:
        """True if the order is acknowledged and rests at the venue."""
        return self.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}

    @property
    def is_in_doubt(self) -> bool:
        """True if the order may or may not be at the venue."""
        return self.status in {OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN}


class ExitGroup(NamedTuple):
    """Exit group; without orders if it replaces one that must be gone first."""

    id: int
    kind: GroupKind
    orders: tuple[GroupOrder, ...] = ()

    @property
    def unsettled(self) -> tuple[GroupOrder, ...]:
        return tuple(order for order in self.orders if not order.settled)

    @property
    def in_doubt(self) -> bool:
        """Return whether nobody knows of any of its orders whether it is there."""
        return all(order.is_in_doubt for order in self.unsettled)


@dataclass(slots=True)
class Groups:
    """Groups of one position."""

    active: ExitGroup | None = None
    retiring: ExitGroup | None = None

    @property
    def newest_first(self) -> list[ExitGroup]:
        """Groups in the order to cancel them: an order that is being replaced cannot be."""
        return [group for group in (self.active, self.retiring) if group is not None]


class GroupUse(NamedTuple):
    """Choice of the group for an exit's orders, in the transaction that makes them.

    *retire*: the active group to retire. *reuse*: an active one without unsettled orders, or
    (*joins*) with orders in doubt only.
    """

    kind: GroupKind
    retire: int | None = None
    reuse: int | None = None
    joins: bool = False


@dataclass(slots=True)
class _Read:
    role: str
    kind: GroupKind
    orders: list[GroupOrder] = field(default_factory=list)


async def insert(
    connection: Connection, position_id: PositionId, kind: GroupKind, at: datetime
) -> int:
    """Insert the active group. Raises OrderDeniedError while there is one."""
    try:
        group_id: int = await connection.fetchval(INSERT, position_id, kind, at)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != DenialRule.EXIT_GROUP_ACTIVE:
            raise
        raise denied_active() from error
    return group_id


def denied_active() -> OrderDeniedError:
    return OrderDeniedError(
        DenialRule.EXIT_GROUP_ACTIVE, "an exit of this position is not settled yet"
    )


async def retire(connection: Connection, group_id: int, at: datetime) -> bool:
    """Retire the group; False if it is not active, or another of the position is retiring."""
    return await connection.fetchval(RETIRE, group_id, at) is not None


async def reactivate(connection: Connection, group_id: int) -> None:
    """Make the group active again, unless another has taken its place."""
    await connection.execute(REACTIVATE, group_id)


async def take_over(
    connection: Connection, group_id: int, kind: GroupKind, at: datetime, *, joins: bool = False
) -> bool:
    """Reuse the active group for another exit.

    Returns False if it is not active any more, or has an unsettled order (*joins*: not in doubt).
    """
    return await connection.fetchval(TAKE_OVER, group_id, kind, at, joins) is not None


async def close(connection: Connection, group_id: int) -> None:
    """Close the group once all its orders are settled; otherwise it stays as it is."""
    await connection.execute(CLOSE, group_id)


async def select(
    connection: Connection, position_ids: Sequence[PositionId]
) -> dict[PositionId, Groups]:
    """Return the groups that are not closed; every position asked for has an entry."""
    rows: dict[PositionId, list[Any]] = {position_id: [] for position_id in position_ids}
    for row in await connection.fetch(SELECT, list(position_ids)):
        rows[PositionId(row["position_id"])].append(row)
    return {position_id: groups_of(found) for position_id, found in rows.items()}


def groups_of(rows: Iterable[Any]) -> Groups:
    """Return the groups of one position, from rows with COLUMNS."""
    read: dict[int, _Read] = {}
    for row in rows:
        group = read.setdefault(row["group_id"], _Read(row["role"], GroupKind(row["kind"])))
        if row["order_id"] is not None:
            group.orders.append(_order(row))
    groups = Groups()
    for group_id, group in read.items():
        exit_group = ExitGroup(id=group_id, kind=group.kind, orders=tuple(group.orders))
        if group.role == "active":
            groups.active = exit_group
        else:
            groups.retiring = exit_group
    return groups


async def select_orphaned(connection: Connection, limit: int) -> list[PositionId]:
    """Return closed positions that have a group that is not closed, by id."""
    return [
        PositionId(row["position_id"]) for row in await connection.fetch(SELECT_LEFTOVER, limit)
    ]


def _order(row: Any) -> GroupOrder:
    return GroupOrder(
        id=OrderId(row["order_id"]),
        client_order_id=ClientOrderId(row["client_order_id"]),
        venue=VenueName(row["order_venue"]),
        symbol=row["order_symbol"],
        type=OrderType(row["type"]),
        status=OrderStatus(row["status"]),
        quantity=row["order_quantity"],
        stop_price=row["stop_price"],
        limit_price=row["limit_price"],
        time_in_force=TimeInForce(row["time_in_force"]),
        settled=row["settled"],
        send_by=row["send_by"],
        created_at=row["created_at"],
        working_price=PriceKind(row["working_price"]),
    )


async def is_settled(connection: Connection, order_id: OrderId) -> bool:
    """Return whether the order is known to have come to its end."""
    return bool(await connection.fetchval(SELECT_SETTLED, order_id))
