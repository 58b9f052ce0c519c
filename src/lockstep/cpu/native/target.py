"""LLVM for this host: what it compiles for, and how much it optimises."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import binding as llvm


def new_target_machine() -> Any:
    """One of its own: a JIT takes it over."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        opt=2, cpu=host_cpu(), features=host_features(), reloc="pic", codemodel="small"
    )


@cache
def target_machine() -> Any:
    """The one to compile with."""
    return new_target_machine()


def host_cpu() -> str:
    """By LLVM's name."""
    return str(llvm.get_host_cpu_name())


@cache
def host_features() -> str:
    """What it can, as LLVM writes it."""
    return str(llvm.get_host_cpu_features().flatten())


def optimised(text: str, *, vectors: bool) -> bytes:
    """Object code of a module in LLVM's assembly.

    `vectors` and unrolling are for longer loops than guests have: they make the code of regions
    three times as large.
    """
    module = llvm.parse_assembly(text)
    machine = target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    if not vectors:
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))
