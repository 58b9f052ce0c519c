"""The region compiler as a process of its own: `python -m lockstep.session.smith`.

LLVM works under a lock, and Python under another: in the guest's process it would be in the way.
"""

import gc
from itertools import count

from lockstep.cpu.native.objects import version_key
from lockstep.cpu.native.regions.compiler import answer
from lockstep.host.helper import serve

_GENERATION = 8
"""Orders between two collections."""

_orders = count(1)


def _answer(order: bytes) -> bytes:
    made = answer(order)
    if next(_orders) % _GENERATION == 0:
        gc.collect()
    return made


if __name__ == "__main__":
    version_key()  # now, while the files are what was imported
    gc.freeze()
    # LLVM's instructions are many objects that all live until the end of an order: looking for
    # garbage among them takes as long as making them.
    gc.disable()
    serve(_answer)
