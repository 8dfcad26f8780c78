"""Paths that a client may call: one that is not listed cannot leave, whoever asks for it."""

import re
from collections.abc import Iterable
from typing import Final

from tradebotd.net.errors import PathNotAllowedError

ANY_SEGMENT: Final = "{}"
# Unreserved characters, and what identifiers of venues may hold besides; `%` would hide a slash.
_SEGMENT: Final = r"[A-Za-z0-9._~:@!$+,=-]+"
_DOTS: Final = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")


class AllowList:
    """Pairs of a method and a path. In the path `{}` stands for one segment, never for more."""

    def __init__(self, allowed: Iterable[tuple[str, str]]) -> None:
        self.allowed = tuple(allowed)
        self._plain = {each for each in self.allowed if ANY_SEGMENT not in each[1]}
        self._patterns = [(method, _pattern(path)) for method, path in self.allowed]

    def check(self, venue: str, method: str, path: str) -> None:
        """Raise PathNotAllowedError where the pair is not listed. The path has no query."""
        if (method, path) in self._plain:
            return
        listed = any(each == method and pattern.fullmatch(path) for each, pattern in self._patterns)
        if not listed or _DOTS.search(path):
            raise PathNotAllowedError(f"{venue}: {method} {path[:100]!r} is not on the allow-list")


def _pattern(path: str) -> re.Pattern[str]:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} does not begin with a slash")
    return re.compile(_SEGMENT.join(map(re.escape, path.split(ANY_SEGMENT))), re.ASCII)
