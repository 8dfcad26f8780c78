"""`tradebotd` with every statement written to a file: its path, then the daemon's own arguments."""

import sys
from pathlib import Path

from benchmarks import statement_log
from tradebotd.daemon.commands.main import main

if __name__ == "__main__":
    statement_log.record(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
