"""`tradebotd` as without the extra `calendars`: pandas cannot be imported."""

import sys

sys.modules["pandas"] = None  # type: ignore[assignment] - whoever imports it gets ImportError
sys.modules["exchange_calendars"] = None  # type: ignore[assignment]

from tradebotd.daemon.commands.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
