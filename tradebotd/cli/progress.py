"""Progress of a followed run: one updating line on a terminal, no output elsewhere."""

import sys
from typing import Any, TextIO

from tradebotd.cli.formatting import WIDTH, cut

CLEAR = "\r\x1b[2K"
BAR = 24


class LiveLine:
    """Line on stderr, cleared at the end: `▕██████      ▏  46 %  candles 1200, inserted 1100`."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._shown = False

    def __call__(self, figures: dict[str, Any]) -> None:
        if not self._stream.isatty():
            return
        self._stream.write(CLEAR + cut(progress_text(self._title, figures), WIDTH))
        self._stream.flush()
        self._shown = True

    def finish(self) -> None:
        if self._shown:
            self._stream.write(CLEAR)
            self._stream.flush()


def progress_text(title: str, figures: dict[str, Any]) -> str:
    """Format progress; `done` is a fraction, or a count out of `total`. Others stay as they are."""
    rest = {key: value for key, value in figures.items() if key not in {"done", "total"}}
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in rest.items())
    share = _share(figures)
    if share is None:
        return f"{title}  {told}"
    filled = round(share * BAR)
    return f"{title} ▕{'█' * filled}{' ' * (BAR - filled)}▏ {share:4.0%}  {told}"


def _share(figures: dict[str, Any]) -> float | None:
    done, total = figures.get("done"), figures.get("total", 1)
    if not isinstance(done, int | float) or not isinstance(total, int | float) or not total:
        return None
    return min(1.0, max(0.0, done / total))
