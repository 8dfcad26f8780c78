"""Every way in which the code is broken on purpose, in the order of their numbers."""

from typing import Final

from tests.mutations.answers import ANSWERS
from tests.mutations.cash import CASH
from tests.mutations.exits import EXITS
from tests.mutations.money import MONEY
from tests.mutations.mutation import Mutation
from tests.mutations.oracle import ORACLE
from tests.mutations.protocol import PROTOCOL
from tests.mutations.thin_market import THIN_MARKET

MUTATIONS: Final[tuple[Mutation, ...]] = (
    *PROTOCOL,
    *EXITS,
    *MONEY,
    *ANSWERS,
    *CASH,
    *ORACLE,
    *THIN_MARKET,
)
