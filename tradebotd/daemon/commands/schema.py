"""`tradebotd schema`: the JSON Schema of the config file."""

import json
import sys

from tradebotd.config.model import Config


def print_schema() -> int:
    sys.stdout.write(json.dumps(Config.model_json_schema(), indent=2) + "\n")
    return 0
