"""One simulator: the venue with its gate, its calls and its streams. The server stands on it."""

from decimal import Decimal

from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import READ_AND_TRADE, ApiKey, KeyRing
from tests.simulators.binance.usdm import account_calls, algo_calls, order_calls
from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.calls import Call, Endpoint, Security, fixed
from tests.simulators.binance.usdm.channels import Channels
from tests.simulators.binance.usdm.feeds import Feeds
from tests.simulators.binance.usdm.gate import RULES, Gate
from tests.simulators.binance.usdm.hub import Hub
from tests.simulators.binance.usdm.listen_keys import ListenKeys
from tests.simulators.binance.usdm.market_calls import MarketCalls
from tests.simulators.binance.usdm.market_state import MarketState
from tests.simulators.binance.usdm.orders import Order
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.venue import Venue
from tests.simulators.shared.answers import Scene

FUTURES: dict[str, bool] = dict(READ_AND_TRADE) | {"enableFutures": True}
# The keys of a new simulator, both of its account "one": they open nothing elsewhere.
KEY = ApiKey(name="usdmHmacKey", account="one", secret="usdmHmacSecret", restrictions=FUTURES)  # noqa: S106
ED25519_SECRET = bytes(range(32, 64))
ED25519_KEY = ApiKey(
    name="usdmEd25519Key",
    account=KEY.account,
    public_key=ed25519.public_key(ED25519_SECRET),
    restrictions=FUTURES,
)


class Simulator:
    """Everything of one simulated venue.

    Attributes:
        endpoints: by method and path, for REST and for the WebSocket API.
    """

    def __init__(self, scene: Scene, deposit: Decimal = Decimal(10_000)) -> None:
        self.scene = scene
        now_ms = scene.clock.now_ms
        self.venue = Venue(now_ms)
        self.keys = KeyRing([KEY, ED25519_KEY])
        self.gate = Gate(self.venue, self.keys)
        self.listen_keys = ListenKeys(now_ms)
        self.state = MarketState(self.venue.market)
        self.hub = Hub(now_ms)
        channels = Channels(self.venue.market, self.state)
        self.feeds = Feeds(channels, self.hub, self.listen_keys)
        self.venue.forced.on_forced.append(self._forced)
        self.endpoints = self._all_endpoints()
        self.open_account(KEY.account, deposit)

    @property
    def account(self) -> Account:
        """The account of the first key."""
        return self.venue.accounts[KEY.account]

    def open_account(self, name: str, deposit: Decimal = Decimal(10_000)) -> Account:
        account = self.venue.open_account(name, deposit)
        self.feeds.follow(account)
        return account

    def _forced(self, _: Account, order: Order) -> None:
        if order.forced == "LIQUIDATION":
            self.feeds.liquidated(order)

    def _all_endpoints(self) -> dict[tuple[str, str], Endpoint]:
        market = MarketCalls(self.venue.market, RULES, self.state)
        key = Security.KEY
        own = {
            ("POST", "/fapi/v1/listenKey"): Endpoint(self._start, fixed(1), key),
            ("PUT", "/fapi/v1/listenKey"): Endpoint(self._keep, fixed(1), key),
            ("DELETE", "/fapi/v1/listenKey"): Endpoint(self._stop, fixed(1), key),
            ("GET", "/fapi/v1/rateLimit/order"): Endpoint(self._order_limits, fixed(1)),
            # Of another host at the venue; here, so that one simulator is enough for a daemon.
            ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(
                self._restrictions, fixed(1), permission=""
            ),
        }
        return {
            **market.endpoints(),
            **order_calls.ENDPOINTS,
            **algo_calls.ENDPOINTS,
            **account_calls.ENDPOINTS,
            **own,
        }

    def _start(self, call: Call) -> object:
        return {"listenKey": self.listen_keys.start(call.account.name)}

    def _keep(self, call: Call) -> object:
        return {"listenKey": self.listen_keys.keep_alive(call.account.name)}

    def _stop(self, call: Call) -> object:
        self.listen_keys.stop(call.account.name)
        return {}

    def _restrictions(self, call: Call) -> object:
        if call.key is None:
            raise RefusalError(-2015)
        return dict(call.key.restrictions) | {"createTime": call.key.created_ms}

    def _order_limits(self, _: Call) -> object:
        return [rule.row() for rule in RULES if rule.kind == "ORDERS"]
