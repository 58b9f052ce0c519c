"""Object code of the interpreter: compiled once, kept on disk, loaded in milliseconds.

A kept object is valid for exactly the sources, the compiler and the host CPU it was made with: all
of them are in its key. Files carry their own digest, so that a torn write is no danger.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import llvmlite
from llvmlite import binding as llvm

KEPT: Final = 4  # objects of other versions that may stay
EXPORTS: Final = ("lockstep_run", "lockstep_flush", "lockstep_before_write")
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
def _target_machine() -> Any:
    return _new_target_machine()


def _host_cpu() -> str:
    return str(llvm.get_host_cpu_name())


@cache
def _host_features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


def cache_directory() -> Path:
    """Where objects are kept: $XDG_CACHE_HOME/lockstep/native."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lockstep" / "native"


def _key() -> str:
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

    module = llvm.parse_assembly(str(build()))
    machine = _target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def interpreter_object(notify: Notify) -> bytes:
    """The interpreter's object code, from the cache or compiled now."""
    machine = _target_machine()
    assert machine is not None
    path = cache_directory() / f"{_key()}.o"
    code = _kept(path)
    if code is None:
        code = _compile(notify)
        _keep(path, code)
    return code


class Loaded:
    """Object code in executable memory. The functions live as long as this does.

    JITLink places all sections of an object in one block, whatever else is mapped in between;
    LLVM's older loader cannot promise that, and its relocations overflow beside a large guest RAM.
    """

    def __init__(self, code: bytes, exports: Iterable[str]) -> None:
        self._jit = llvm.create_lljit_compiler(_new_target_machine(), use_jit_link=True)
        library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in exports:
            library.export_symbol(name)
        self._tracker = library.link(self._jit, "lockstep")

    def address(self, name: str) -> int:
        """The address of an exported function."""
        return int(self._tracker[name])


@cache
def load(notify: Notify) -> Loaded:
    """The interpreter, loaded once for the process."""
    return Loaded(interpreter_object(notify), EXPORTS)
