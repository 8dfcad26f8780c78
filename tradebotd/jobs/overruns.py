"""Which jobs take longer than the time between their slots: said once, not at every slot."""

from tradebotd.domain.ids import JobName


class Overruns:
    """A job that is too slow runs, skips, runs, skips: it is behind until a run skips nothing."""

    def __init__(self) -> None:
        self._behind: set[JobName] = set()
        self._skipped: set[JobName] = set()  # a slot during the present run

    def skipped(self, name: JobName) -> bool:
        """A slot came while *name* ran. True: that is new, and worth a word."""
        new = name not in self._behind
        self._behind.add(name)
        self._skipped.add(name)
        return new

    def ended(self, name: JobName) -> bool:
        """A run of *name* is over. True: it keeps to its slots again."""
        if name in self._skipped:
            self._skipped.remove(name)
            return False
        caught_up = name in self._behind
        self._behind.discard(name)
        return caught_up
