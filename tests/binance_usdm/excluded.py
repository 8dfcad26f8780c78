"""What a numbered case asks of a venue that this one is not: what a user would be told."""

from typing import Final

EXCLUDED: Final[dict[str, str]] = {}
