"""How the scripted venue judges an order: whether its price has come, and what it locks. Pure."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.prices import LastPrices
from tradebotd.ports.venue import Replacement, VenueTraits

STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
TARGETS = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
TRIGGERED = frozenset({*STOPS, *TARGETS})
AT_ONCE = "order would trigger immediately"

Resting = Mapping[ClientOrderId, OrderRequest]


def level_of(request: OrderRequest) -> Decimal:
    level = request.limit_price if request.type is OrderType.LIMIT else request.stop_price
    assert level is not None, f"a {request.type} order without its price"
    return level


def has_come(request: OrderRequest, price: Decimal) -> bool:
    """Sell stops, buy limits and buy targets wait below the market."""
    level = level_of(request)
    if (request.side is Side.SELL) == (request.type in STOPS):
        return price <= level
    return price >= level


def allowed(request: OrderRequest, price: Decimal) -> bool:
    """By its limit, if it has one."""
    limit = request.limit_price
    if limit is None:
        return True
    return price >= limit if request.side is Side.SELL else price <= limit


def price_after_trigger(
    request: OrderRequest, last: LastPrices, compared: LastPrices | None
) -> Decimal | None:
    """What one whose stop is met trades at: there, or on the way from there on, or not yet."""
    jumped = compared is None or compared.after_gap
    there = last.current if jumped else met_at(request, last, compared)
    if allowed(request, there):
        return there
    return request.limit_price if allowed(request, last.current) else None


def untaken(request: OrderRequest, traits: VenueTraits) -> str | None:
    if request.type not in traits.order_types:
        return f"order_type_not_taken: {request.type}"
    lasts = traits.times_in_force.get(request.type, tuple(TimeInForce))
    if request.time_in_force not in lasts:
        return f"time_in_force_not_taken: {request.time_in_force}"
    return None


def crosses(request: OrderRequest, price: Decimal) -> bool:
    """A limit beyond the market trades at once; one at the market rests."""
    level = level_of(request)
    return price < level if request.side is Side.BUY else price > level


def met_at(request: OrderRequest, last: LastPrices, compared: LastPrices | None) -> Decimal:
    """The level where the path went through it, the last price where it jumped over it.

    A path is of last prices, or of those the order's side trades at: a sell the bid, a buy the ask.
    """
    trades_at = {"last", "bid" if request.side is Side.SELL else "ask"}
    if compared is None or request.working_price not in trades_at:
        return last.current
    low, high = sorted((compared.previous, compared.current))
    level = level_of(request)
    return level if low <= level <= high else last.current


def refusal(
    request: OrderRequest,
    last: Decimal,
    instrument: Instrument,
    held: Decimal,
    free: Mapping[str, Decimal],
    fee: Decimal,
    *,
    compared: Decimal | None = None,
    average: Decimal | None = None,
    beside: Collection[OrderRequest] = (),
) -> str | None:
    """*held*: the futures position; *free*: balances without what is locked; *compared*: the price
    that a stop works by, None if there is none; *beside*: orders that rest, whatever their symbol.
    """
    why_not = off_filters(request, last, instrument, average=average, beside=beside)
    if why_not is not None:
        return why_not
    if request.type in TRIGGERED and compared is None:
        return f"no {request.working_price} price"
    if request.type in TRIGGERED and compared is not None and has_come(request, compared):
        return AT_ONCE
    if request.position_type is PositionType.FUTURES:
        reduces = held * request.side.sign < 0 and request.quantity <= abs(held)
        return "nothing to reduce" if request.reduce_only and not reduces else None
    if request.side is Side.BUY:
        price = last if request.type is OrderType.MARKET else level_of(request)
        cost = request.quantity * price * (1 + fee)
        enough = cost <= free.get(instrument.quote_asset, Decimal(0))
    else:
        enough = request.quantity <= free.get(instrument.base_asset, Decimal(0))
    return None if enough else "insufficient balance"


def off_filters(
    request: OrderRequest,
    last: Decimal,
    instrument: Instrument,
    *,
    average: Decimal | None = None,
    beside: Collection[OrderRequest] = (),
) -> str | None:
    """The symbol's filters, in the words of the port."""
    kind, size = request.type, request.quantity
    reference = average if average is not None and instrument.average_minutes > 0 else last
    levels = [each for each in (request.limit_price, request.stop_price) if each is not None]
    worth = size * (levels[0] if levels else reference)
    exempt = request.reduce_only or (kind == "market" and not instrument.notional_at_market)
    bounds = [instrument.lot]
    if not levels or request.limit_price is None:
        bounds += [instrument.market_lot] if instrument.market_lot else []
    if request.stop_price is not None:
        bounds += [instrument.stop_lot] if instrument.stop_lot else []
    waits = bool(levels) and request.time_in_force in {TimeInForce.GTC, TimeInForce.DAY}
    here = [each for each in beside if each.symbol == request.symbol]
    stops = [each for each in here if each.stop_price is not None]
    found = {
        "symbol_not_trading": instrument.status != "trading",
        "order_type_not_taken": instrument.order_types is not None
        and kind not in instrument.order_types,
        "quantity_off_lot": any(lot.step and (size / lot.step) % 1 for lot in bounds),
        "quantity_below_minimum": any(size < lot.minimum for lot in bounds),
        "quantity_above_maximum": any(lot.maximum and size > lot.maximum for lot in bounds),
        "price_off_tick": any((each / instrument.tick_size) % 1 for each in levels),
        "price_below_minimum": any(each < instrument.min_price for each in levels),
        "price_above_maximum": any(
            instrument.max_price and each > instrument.max_price for each in levels
        ),
        "price_outside_percent": _is_far(request, reference, instrument),
        "notional_below_minimum": not exempt and worth < instrument.min_notional,
        "notional_above_maximum": not exempt
        and instrument.max_notional is not None
        and worth > instrument.max_notional,
        "too_many_orders": waits and _is_full(here, instrument.max_orders),
        "too_many_stop_orders": waits
        and request.stop_price is not None
        and _is_full(stops, instrument.max_stops),
    }
    return next((name for name, refused in found.items() if refused), None)


def _is_full(orders: Collection[OrderRequest], most: int | None) -> bool:
    return most is not None and len(orders) + 1 > most


def _is_far(request: OrderRequest, reference: Decimal, instrument: Instrument) -> bool:
    """A limit too many times below or above the price that the symbol is judged by."""
    rule, limit = instrument.percent_price, request.limit_price
    if rule is None or limit is None:
        return False
    times = limit / reference
    if request.side is Side.SELL:
        return times < rule.sell_below or times > rule.sell_above
    return times < rule.buy_below or times > rule.buy_above


def free_of(
    balances: Mapping[str, Decimal],
    resting: Resting,
    families: Mapping[ClientOrderId, str],
    filled: Mapping[ClientOrderId, Decimal],
    instruments: Mapping[str, Instrument],
    fee: Decimal,
) -> dict[str, Decimal]:
    """Balances without what spot orders lock; of linked ones only the dearest locks."""
    dearest: dict[tuple[str, str], Decimal] = {}
    for client_order_id, request in resting.items():
        if request.position_type is PositionType.FUTURES:
            continue
        instrument = instruments[request.symbol]
        left = request.quantity - filled.get(client_order_id, Decimal(0))
        if request.side is Side.BUY:
            worst = request.limit_price or level_of(request)
            asset, amount = instrument.quote_asset, left * worst * (1 + fee)
        else:
            asset, amount = instrument.base_asset, left
        key = (asset, families.get(client_order_id, client_order_id))
        dearest[key] = max(dearest.get(key, Decimal(0)), amount)
    free = dict(balances)
    for (asset, _), amount in dearest.items():
        free[asset] = free.get(asset, Decimal(0)) - amount
    return free


def family_of(
    client_order_id: ClientOrderId,
    families: Mapping[ClientOrderId, str],
    resting: Iterable[ClientOrderId],
) -> list[ClientOrderId]:
    """The order and what is linked to it, of those that rest."""
    mine = families.get(client_order_id, client_order_id)
    return [each for each in resting if families.get(each, each) == mine]


def locks(traits: VenueTraits) -> bool:
    """Where two exits may overlap, what rests does not hold the inventory."""
    return traits.replacement is not Replacement.OVERLAP
