"""Lists and pages of the simulator of Alpaca."""

from datetime import date
from decimal import Decimal

import pytest

from tests.simulators.alpaca.activities import kinds_of
from tests.simulators.alpaca.market import Split
from tests.simulators.alpaca.refusals import RequestRefusedError
from tests.unit.simulators.alpaca.scenes import Scene

LIMIT = {"type": "limit", "limit_price": "150", "time_in_force": "gtc"}


def ids(scene: Scene, **query: str) -> list[str]:
    return [each["id"] for each in scene.desk.book.listed(query)]


def test_orders_come_by_fifty_newest_first() -> None:
    """A7: 50 unless `limit` says more; 500 at most."""
    scene = Scene()
    placed = [scene.place(qty="1", **LIMIT)["id"] for _ in range(52)]

    assert ids(scene) == placed[:1:-1]
    assert len(ids(scene, limit="500")) == 52
    assert ids(scene, direction="asc", limit="2") == placed[:2]
    with pytest.raises(RequestRefusedError):
        ids(scene, limit="501")


def test_cursors_page_through_orders() -> None:
    """A7: before_order_id and after_order_id, and not with after or until."""
    scene = Scene()
    first, second, third = (scene.place(qty="1", **LIMIT)["id"] for _ in range(3))

    assert ids(scene, before_order_id=third) == [second, first]
    assert ids(scene, after_order_id=first, direction="asc") == [second, third]
    for query in (
        {"before_order_id": third, "after_order_id": first},
        {"before_order_id": third, "after": "2026-11-18"},
        {"before_order_id": "unknown"},
    ):
        with pytest.raises(RequestRefusedError):
            ids(scene, **query)


def test_orders_are_filtered() -> None:
    scene = Scene()
    done = scene.place()["id"]
    stock = scene.place(**LIMIT)["id"]
    coin = scene.place(symbol="BTC/USD", qty="1", **(LIMIT | {"limit_price": "50000"}))["id"]

    assert ids(scene) == [coin, stock]
    assert ids(scene, status="closed") == [done]
    assert ids(scene, status="all", symbols="BTCUSD") == [coin]
    assert ids(scene, status="all", asset_class="crypto") == [coin]
    assert ids(scene, status="all", side="sell") == []
    assert ids(scene, status="all", after="2026-11-18T15:00:01Z") == []
    assert ids(scene, status="all", until="2026-11-18T15:00:01Z", limit="1") == [coin]


def test_nested_lists_roll_legs_up() -> None:
    scene = Scene()
    entry, target, stop = scene.bracket()

    assert ids(scene, nested="true") == [entry["id"]]  # filled, and its legs are open
    (told,) = scene.desk.book.listed({"nested": "true"})
    assert [leg["id"] for leg in told["legs"]] == [target["id"], stop["id"]]
    assert set(ids(scene)) == {target["id"], stop["id"]}


def test_activities_are_paged_by_their_last_id() -> None:
    scene = Scene()
    for _ in range(5):
        scene.place(qty="1")
    scene.exchange.transfer("100")
    scene.exchange.transfer("-30")

    page = scene.desk.activities.page({"page_size": "3"}, frozenset())
    assert [each["activity_type"] for each in page] == ["CSW", "CSD", "FILL"]
    token = page[-1]["id"]
    rest = scene.desk.activities.page({"page_token": token}, frozenset())
    assert len(rest) == 4
    assert not {each["id"] for each in rest} & {each["id"] for each in page}
    assert len(scene.desk.activities.page({}, kinds_of("TRANS"))) == 2
    with pytest.raises(RequestRefusedError):
        scene.desk.activities.page({"page_token": "nothing"}, frozenset())


def test_activities_are_filtered_by_order() -> None:
    """A9: `order_id`."""
    scene = Scene()
    scene.place(qty="1")
    wanted = scene.place(qty="2")

    found = scene.desk.activities.page({"order_id": wanted["id"]}, frozenset())

    assert [each["qty"] for each in found] == ["2"]


def test_dividends_and_splits_move_money_and_shares() -> None:
    scene = Scene()
    scene.place()
    scene.exchange.dividend("AAPL", "0.25")
    assert scene.desk.ledger.cash == 98_000 + Decimal("2.5")
    assert scene.desk.activities.all[-1].body["activity_type"] == "DIV"

    scene.exchange.split(Split("AAPL", date(2026, 11, 19), Decimal(4)))
    scene.go("2026-11-18 23:59")
    assert scene.desk.ledger.quantity("AAPL") == 10
    scene.go("2026-11-19 00:00")
    assert scene.desk.ledger.quantity("AAPL") == 40
