"""Promises of the scripted venue: an order that shall take the place of one that rests."""

from dataclasses import dataclass, field, replace

from tests.fakes.scripted_engine import ScriptedBooks
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus


@dataclass(frozen=True, slots=True)
class Promise:
    old: ClientOrderId
    request: OrderRequest
    breaks: bool


@dataclass
class PromisingBooks(ScriptedBooks):
    promises: dict[ClientOrderId, Promise] = field(default_factory=dict)

    def _promise(
        self, old: ClientOrderId, new: ClientOrderId, request: OrderRequest, *, breaks: bool
    ) -> OrderReport:
        """The new order is there, and does not rest yet; the old one does. Raises as `replace`."""
        if any(promise.old == old for promise in self.promises.values()):
            raise OrderRejectedError(f"{old} is being replaced")
        if new in self.orders:
            raise OrderRejectedError("duplicate client order id")
        if request.type is not self.resting[old].type:
            raise OrderRejectedError("an order keeps its type")
        reason = self._refusal_without(old, request)
        if reason is not None:
            self._refuse(new, request, reason)
            raise OrderRejectedError(reason)
        self.promises[new] = Promise(old, request, breaks)
        self.orders[new] = self._report(new, request, OrderStatus.NEW)
        return self.orders[new]

    def _decide(self, new: ClientOrderId) -> list[OrderReport]:
        promise = self.promises.pop(new)
        if promise.old not in self.resting:
            return [self._reject(new, f"{promise.old} does not rest any more")]
        reason = "scripted" if promise.breaks else None
        reason = reason or self._refusal_without(promise.old, promise.request)
        if reason is not None:
            return [self._reject(new, reason)]
        gone = self._cancel(promise.old)
        self.resting[new] = promise.request
        return [*gone, self.orders[new]]

    def _withdraw(self, new: ClientOrderId) -> OrderReport:
        del self.promises[new]
        self.orders[new] = replace(self.orders[new], status=OrderStatus.CANCELED)
        return self.orders[new]

    def _reject(self, new: ClientOrderId, reason: str) -> OrderReport:
        report = replace(self.orders[new], status=OrderStatus.REJECTED, reason=reason)
        self.orders[new] = report
        return report

    def _refusal_without(self, old: ClientOrderId, request: OrderRequest) -> str | None:
        """Of the new order, once the old one holds nothing any more."""
        family = self.linked.get(old, old)
        kept = self.resting
        self.resting = {
            each: asked for each, asked in kept.items() if self.linked.get(each, each) != family
        }
        try:
            return self._refusal(request)
        finally:
            self.resting = kept
