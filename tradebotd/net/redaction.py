"""Secrets out of texts that are shown: by the name they stand behind, and by their value."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

SHOWN: Final = "***"
MOST_BYTES: Final = 64 * 1024  # of a text that are looked at for its beginning
SHORTEST: Final = 6  # letters of a value; a shorter one would eat words
NAMES: Final = (
    "signature|x-mbx-apikey|api[-_]?key|apca-api-key-id|apca-api-secret-key|secret[-_]?key|secret"
    "|key_id|listen[-_]?key|authorization|password|passphrase|token"
)
# name=value in a query, "name": "value" in JSON, Name: value in a header; `apikey KEY` behind one.
_NAMED: Final = re.compile(
    rf"""(?P<name>["']?\b(?:{NAMES})["']?)(?P<sign>\s*[=:]\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:(?:apikey|bearer|basic)\s+)?[^\s&,;"'<>{}\[\]]+)""",
    re.IGNORECASE,
)


class Redactor:
    """Text without *secrets*: neither as they are, nor percent-encoded, nor behind their names."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {
            written
            for secret in secrets
            if len(secret) >= SHORTEST
            for written in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        longest_first = sorted(values, key=len, reverse=True)
        self._longest = max(map(len, values), default=0)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if values else None

    def __call__(self, text: str) -> str:
        if self._values is not None:
            text = self._values.sub(SHOWN, text)
        return _NAMED.sub(lambda found: f"{found['name']}{found['sign']}{SHOWN}", text)

    def beginning(self, raw: bytes, characters: int) -> str:
        """Return the first *characters* of *raw* on one line, without secrets.

        Secrets are hidden before anything is cut; of a text that is too long to be looked at whole,
        the end of what was looked at is left out, too: it may be the half of a secret.
        """
        text = self(raw[:MOST_BYTES].decode("utf-8", "replace"))
        if len(raw) > MOST_BYTES:
            text = text[: max(0, len(text) - self._longest)]
        return " ".join(text[:characters].split())
