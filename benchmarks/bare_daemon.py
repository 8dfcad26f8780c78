"""`tradebotd` as without the extra `calendars`: pandas cannot be imported."""

import sys

ABSENT: dict[str, None] = {"pandas": None, "exchange_calendars": None}
sys.modules.update(ABSENT)  # type: ignore[arg-type]  # whoever imports them gets ImportError

from tradebotd.daemon.commands.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
