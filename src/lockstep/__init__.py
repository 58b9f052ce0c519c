"""lockstep: a whole RISC-V computer that records its execution and replays it bit for bit."""

__version__ = "0.1.0"

if not __debug__:
    # The asserts are part of the design (DESIGN: divergences are reported, never passed over).
    raise ImportError("lockstep does not run under `python -O`: its assertions are not optional")
