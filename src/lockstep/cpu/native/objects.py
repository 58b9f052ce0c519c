"""Object code of the interpreter: compiled once, kept on disk, loaded in milliseconds.

A kept object is valid for exactly the sources, the compiler and the host CPU it was made with: all
of them are in its key. Files carry their own digest, so that a torn write is no danger.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import llvmlite
from llvmlite import binding as llvm

from lockstep.places import interpreter_objects

KEPT: Final = 4  # objects of other versions that may stay
EXPORTS: Final = (
    "lockstep_run", "lockstep_flush", "lockstep_before_write", "lockstep_install_region",
    "lockstep_handlers", "lockstep_handler_names",
)  # fmt: skip
_DIGEST_BYTES: Final = 32
_FLOORS: Final = ("cpu", "isa")

Notify = Callable[[str], None]


def _new_target_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        opt=2, cpu=_host_cpu(), features=_host_features(), reloc="pic", codemodel="small"
    )


@cache
def target_machine() -> Any:
    return _new_target_machine()


def _host_cpu() -> str:
    return str(llvm.get_host_cpu_name())


@cache
def _host_features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


@cache
def version_key() -> str:
    """Stands for everything that object code depends on but for what it is made from."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for floor in _FLOORS:
        for source in sorted((package / floor).rglob("*.py")):
            digest.update(str(source.relative_to(package)).encode())
            digest.update(source.read_bytes())
    for fact in (llvmlite.__version__, llvm.llvm_version_info, _host_cpu(), _host_features()):
        digest.update(repr(fact).encode())
    return digest.hexdigest()[:32]


def _kept(path: Path) -> bytes | None:
    """The object in `path`, or None if there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def _keep(path: Path, code: bytes) -> None:
    """Best effort: an unwritable cache costs time at the next start and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(file.name, path)
        _drop_old(path.parent)
    except OSError:
        return


def _drop_old(directory: Path) -> None:
    objects = sorted(directory.glob("*.o"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in objects[KEPT:]:
        path.unlink(missing_ok=True)


def _compile(notify: Notify) -> bytes:
    notify("compiling the interpreter for this machine (once, a few seconds) ...")
    from lockstep.cpu.native.interpreter import build

    gc.disable()  # LLVM's instructions are objects by the hundred thousand, all in use to the end
    try:
        text = str(build())
    finally:
        gc.enable()
    module = llvm.parse_assembly(text)
    machine = target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def interpreter_object(notify: Notify) -> bytes:
    """The interpreter's object code, from the cache or compiled now."""
    machine = target_machine()
    assert machine is not None
    path = interpreter_objects() / f"{version_key()}.o"
    code = _kept(path)
    if code is None:
        code = _compile(notify)
        _keep(path, code)
    return code


class Linker:
    """Puts object code into executable memory, for good.

    JITLink places all sections of an object in one block, whatever else is mapped in between;
    LLVM's older loader cannot promise that, and its relocations overflow beside a large guest RAM.
    """

    def __init__(self) -> None:
        self._jit = llvm.create_lljit_compiler(_new_target_machine(), use_jit_link=True)
        self._libraries: list[Any] = []

    def link(
        self, code: bytes, exports: Iterable[str], imports: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """The addresses of what `code` exports. `imports`: of what it calls, unless libc has it."""
        library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name, address in (imports or {}).items():
            library.import_symbol(name, address)
        wanted = tuple(exports)
        for name in wanted:
            library.export_symbol(name)
        self._libraries.append(library.link(self._jit, f"library{len(self._libraries)}"))
        return {name: int(self._libraries[-1][name]) for name in wanted}


class Interpreter:
    """The interpreter in executable memory: the address of what it exports, by name."""

    def __init__(self, code: bytes) -> None:
        self.linker: Final = Linker()
        self.exports: Final = self.linker.link(code, EXPORTS)

    @cached_property
    def handlers(self) -> dict[str, int]:
        """The address of every handler by its name."""
        names = ctypes.string_at(self.exports["lockstep_handler_names"]).decode().split("\n")
        kind = ctypes.c_uint64 * len(names)
        addresses = kind.from_address(self.exports["lockstep_handlers"])
        return dict(zip(names, addresses, strict=True))


@cache
def load(notify: Notify) -> Interpreter:
    """The interpreter, loaded once for the process."""
    return Interpreter(interpreter_object(notify))
