"""One way to break the code, and the tests that see it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Edit:
    """*old* stands exactly once in the file at *path*."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Raises ValueError when the code is no longer what this was written for."""
        file = root / self.path
        text = file.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.path}: {text.count(self.old)} times {self.old!r}, once expected"
            )
        file.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """*name* says what is broken; *tests* (pytest's ids) go red by it, each of them.

    *seeds*: of the simulation, one of which goes red; *draw*: what they draw; *says*: how the
    violation begins.
    *equivalent*: why nothing can tell; then nothing needs to be red.
    """

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    draw: tuple[str, ...] = ("landed",)
    says: str = ""
    equivalent: str | None = None

    @property
    def must_be_red(self) -> bool:
        return self.equivalent is None
