"""Regions that have run for long: what changes around them is felt at once, as in the reference."""

from __future__ import annotations

from conformance.assembler import Assembler
from fakes.engines import in_regions
from fakes.rig import A0, A1, BASE, Bench
from lockstep.cpu.layout import PAGE

TURN = 4_000
SLICE = 64


def state(bench: Bench) -> tuple[object, ...]:
    return bench.cpu.save(), bytes(bench.ram.view)


# The engine.


def counting(engine: str) -> Bench:
    """For ever: add one in memory."""
    bench = Bench(engine)
    code = bench.code
    code.emit("auipc", rd=A0, imm=PAGE)
    code.label("loop")
    code.emit("ld", rd=A1, rs1=A0, imm=0)
    code.emit("addi", rd=A1, rs1=A1, imm=1)
    code.emit("sd", rs1=A0, rs2=A1, imm=0)
    code.branch("jal", "loop", rd=0)
    bench.start()
    return bench


def count_by(bench: Bench, step: int) -> None:
    """From now on."""
    code = Assembler(0)
    code.emit("addi", rd=A1, rs1=A1, imm=step)
    bench.ram.write(BASE + 8, code.finish())


def test_regions_are_gone_with_the_engine_that_had_them() -> None:
    """The next one does it all by itself, and what became of the code meanwhile is what counts
    when there are regions again."""
    bench, reference = counting("auto"), counting("reference")
    until = 0
    for engine in ("auto", "interp", "auto", "reference", "auto"):
        if until:
            bench.cpu.change_engine(engine)
        bench.cpu._block.slice = SLICE
        before, until = in_regions(bench.cpu), until + TURN
        bench.cpu.run(until)
        reference.cpu.run(until)
        assert state(bench) == state(reference), engine
        done = in_regions(bench.cpu) - before
        assert done > TURN // 2 if engine == "auto" else done == 0
        if engine == "reference":
            count_by(bench, 100)
            count_by(reference, 100)
