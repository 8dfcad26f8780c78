"""What the venue's ledger says, look by look: spells in which something is held without a stop."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import anyio

from tests.protection.places import Place
from tests.simulators.shared.faults import Executed, Kind

LOOK_EVERY: Final = 0.01  # seconds between two looks at the ledger
WHOLE: Final = Decimal("0.99")  # of a position; the rest may be a fee that left it, or dust


@dataclass
class Spell:
    """Something was held without a stop. `after`: what came before it, of this symbol.

    Of its `seconds`: `down` without a process, `deaf` without the venue's stream. Of requests for
    this symbol meanwhile, `lost`: those that were, or their answers were; `late`: answers that were;
    `refused`: stops that were. `untold`: an event of its end was lost.
    """

    symbol: str
    after: str
    seconds: float = 0.0
    down: float = 0.0
    deaf: float = 0.0
    lost: int = 0
    late: int = 0
    refused: int = 0
    untold: bool = False

    @property
    def own(self) -> float:
        """Seconds that a process was there."""
        return self.seconds - self.down

    @property
    def is_told(self) -> bool:
        """Whether the venue has told and answered all that there was."""
        troubled = self.down or self.deaf or self.lost or self.late or self.refused
        return not (troubled or self.untold)

    def as_json(self) -> dict[str, Any]:
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in vars(self).items()
            if value
        }


@dataclass
class Witness:
    """`positions`: spells of each; `doing`: what befell each symbol last.

    A suite sets `is_down` while no process is there, and `untold` of symbols an event of which is lost.
    `lost`: symbols of which a request was lost, or its answer.
    """

    place: Place
    is_down: bool = False
    doing: dict[str, str] = field(default_factory=dict)
    untold: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    positions: list[list[Spell]] = field(default_factory=list)
    _open: dict[str, list[Spell]] = field(default_factory=dict)
    _spells: dict[str, Spell] = field(default_factory=dict)
    _met: int = 0

    async def watch(self) -> None:
        last = anyio.current_time()
        while True:
            now = anyio.current_time()
            self._note_faults()
            for name in self.place.symbols:
                self._look(name, now - last)
            last = now
            await anyio.sleep(LOOK_EVERY)

    def is_guarded(self, name: str) -> bool:
        held, stopped = self.place.look(name)
        return stopped >= held * WHOLE and not self.is_flat(name)

    def is_flat(self, name: str) -> bool:
        return self.place.look(name).held <= self.place.quantity * (1 - WHOLE)

    def _note_faults(self) -> None:
        """Note what requests have met since the last look, each for its own symbol."""
        met = self.place.server.faults.met
        for fault, asked in met[self._met :]:
            refused = fault.status >= 400
            lost = not refused and (fault.kind is Kind.RESET or fault.executed is Executed.NEVER)
            if lost:
                self.lost.add(asked.symbol)
            spell = self._spells.get(asked.symbol)
            if spell is not None:
                spell.refused += refused
                spell.lost += lost
                spell.late += fault.kind is Kind.DELAY
        self._met = len(met)

    def _look(self, name: str, passed: float) -> None:
        if self.is_flat(name):
            self._end(name, passed)
            self._open.pop(name, None)
            return
        if name not in self._open:
            self._open[name] = []
            self.positions.append(self._open[name])
        if self.is_guarded(name):
            self._end(name, passed)
        elif name in self._spells:
            self._lasts(self._spells[name], passed)
        else:
            self._spells[name] = spell = Spell(name, self.doing.get(name, ""))
            spell.untold = name in self.untold

    def _lasts(self, spell: Spell, passed: float) -> None:
        spell.seconds += passed
        if self.is_down:
            spell.down += passed
        elif not self.place.server.streams.open:
            spell.deaf += passed

    def _end(self, name: str, passed: float) -> None:
        spell = self._spells.pop(name, None)
        if spell is not None:
            self._lasts(spell, passed)
            self._open[name].append(spell)
            self.untold.discard(name)
