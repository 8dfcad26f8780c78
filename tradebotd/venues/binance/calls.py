"""Calls of a Binance interface: each with its cost, and how a venue's parts make them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar

import anyio

from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.venue import SendBlockedBy, not_blocked
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.payload import Node

T = TypeVar("T")
AT_ONCE: Final = 8  # questions side by side


class Method(StrEnum):
    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `weight`: its cost in REQUEST_WEIGHT as documented; `orders`: in unfilled orders.

    S1: a placement or a cancel that succeeds costs no weight, one that fails costs the documented
    one; the limiter holds the documented weight ready, and the headers of the answer correct it.

    `keyed`: it carries the key and no signature. `tells_weight`: its headers may be believed (F16).
    `secret`: its answer has a secret in it, and no error shows any of it.
    """

    method: Method
    path: str
    weight: int = 0
    signed: bool = True
    orders: int = 0
    acts: bool = False  # it sends or cancels an order
    keyed: bool = False
    tells_weight: bool = True
    secret: bool = False


class Interface(Protocol):
    """REST interface of a venue. *order*: the one that a call sends or cancels.

    *priority*: at the gate; else that of an exit where the call acts, and of a question.

    Both raise VenueUnavailableError where nothing was executed, OutcomeUnknownError of an *order*
    that may have been, MalformedAnswerError of a question's answer.
    """

    async def answer(
        self,
        call: Call,
        params: Mapping[str, str] | None = None,
        *,
        order: ClientOrderId | None = None,
        send_blocked_by: SendBlockedBy = not_blocked,
        priority: Priority | None = None,
    ) -> Node | Refusal:
        """Return the answer, or the refusal, whose code the caller wants to see."""
        ...

    async def ask(
        self,
        call: Call,
        params: Mapping[str, str] | None = None,
        *,
        order: ClientOrderId | None = None,
        send_blocked_by: SendBlockedBy = not_blocked,
        priority: Priority | None = None,
    ) -> Node:
        """Return the answer. A refusal raises what it means (`errors.error_of`)."""
        ...

    def error_of(
        self,
        refusal: Refusal,
        order: ClientOrderId | None = None,
        name: str | None = None,
        *,
        cancels: bool = False,
    ) -> VenueError:
        """Return the exception of a *refusal* that the caller has looked at, and has named.

        *cancels*: it refuses the cancel of *order*.
        """
        ...


async def side_by_side(asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Await *asks*, a few at once, and return their results in order.

    Raises the first VenueError; the others are cancelled then. For questions alone.
    """
    assert_no_connection_held("questions are asked side by side")  # each is a task of its own
    if len(asks) == 1:
        return [await asks[0]()]
    found: dict[int, T] = {}
    errors: list[VenueError] = []
    turn = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int, ask: Callable[[], Awaitable[T]]) -> None:
        async with turn:
            try:
                found[number] = await ask()
            except VenueError as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for number, ask in enumerate(asks):
            tasks.start_soon(one, number, ask)
    if errors:
        raise errors[0]
    return [found[number] for number in range(len(asks))]
