"""What a replay says when the machine does not do what the log says it did."""

from lockstep.det.instant import Icount
from lockstep.errors import Divergence


class ReplayDivergence(Divergence):
    """Where, what was expected, what came, which parts differ, and the events around it."""

    def __init__(
        self,
        at: Icount,
        expected: str,
        actual: str,
        *,
        around: tuple[str, ...] = (),
        parts: tuple[str, ...] = (),
        agreed: Icount | None = None,
    ) -> None:
        self.at = at
        self.expected = expected
        self.actual = actual
        self.around = around
        self.parts = parts
        self.agreed = agreed
        super().__init__(self._report(), remedy=self._remedy())

    def _report(self) -> str:
        lines = [
            f"the replay diverged at instruction {self.at:_}",
            f"  the log says: {self.expected}",
            f"  the machine:  {self.actual}",
        ]
        if self.parts:
            lines.append(f"  differing:    {', '.join(self.parts)}")
        if self.agreed is not None:
            lines.append(f"  last agreed:  at instruction {self.agreed:_} (every digest matched)")
        if self.around:
            lines.append("  events around it:")
            lines += [f"    {each}" for each in self.around]
        return "\n".join(lines)

    def _remedy(self) -> str:
        if self.agreed is not None and self.agreed < self.at:
            return (
                f"Determinism leaked between instructions {self.agreed:_} and {self.at:_}. "
                f"`lockstep events REC --from {self.agreed} --to {self.at}` lists what was logged "
                f"there; recording with a smaller --digest-every narrows it down."
            )
        return (
            "Check that the same lockstep and the same images are used (`lockstep info REC`); if "
            "they are, this is a bug of lockstep: please report it with the recording."
        )
