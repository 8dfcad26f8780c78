"""`tradebotd` that waits a minute for its database: `python -m tests.acceptance.patient_start run …`."""

import sys

from tradebotd.daemon.commands import main
from tradebotd.storage.postgres import database

if __name__ == "__main__":
    database.ACQUIRE_SECONDS = 60.0
    sys.exit(main.main(sys.argv[1:]))
