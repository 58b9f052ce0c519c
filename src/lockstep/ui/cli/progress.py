"""How far a replay has come, on standard error, if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lockstep.host.messages import read_so_far, unread

Tell = Callable[[int, int], None]
"""Called with the instruction count and the host's time."""


@contextmanager
def progress(verb: str, total: int, *, console: bool) -> Iterator[Tell | None]:
    """A bar while the context lasts; None where nobody would see it.

    `console`: the guest writes to standard output. On a terminal that is progress enough.
    """
    if not sys.stderr.isatty() or total <= 0 or (console and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
    ) as bar:
        task = bar.add_task(verb, total=total)

        def tell(now: int, host_ns: int) -> None:
            # A terminal that has been stopped is not to find all of it when it goes on.
            bar.update(task, completed=now, refresh=not unread())

        yield tell
    # The bar erases itself with the line above the cursor, which by then must not be another one.
    read_so_far()
