"""The region compiler as a process of its own: `python -m lockstep.session.smith`.

LLVM works under a lock, and Python under another: in the guest's process it would be in the way.
"""

from lockstep.cpu.native.regions.compiler import answer
from lockstep.host.helper import serve

if __name__ == "__main__":
    serve(answer)
