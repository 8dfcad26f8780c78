"""`tradebotd` with a lease of a second and a half: `python -m tests.acceptance.quick_lease run …`."""

import sys

from tradebotd.daemon import leader_election
from tradebotd.daemon.commands import main
from tradebotd.trading.execution import lease

LEASE_SECONDS = 1.5


def shorten() -> None:
    lease.LEASE_SECONDS = LEASE_SECONDS
    lease.BEAT_SECONDS = LEASE_SECONDS / 5
    lease.FENCE_MARGIN = LEASE_SECONDS
    leader_election.LOOK_SECONDS = LEASE_SECONDS / 10


if __name__ == "__main__":
    shorten()
    sys.exit(main.main(sys.argv[1:]))
