"""Object code of the interpreter: compiled once, kept on disk, loaded in milliseconds.

A kept object is valid for exactly the sources, the compiler and the host CPU it was made with: all
of them are in its name. A file begins with a seal over its name and the rest (`places.seal`), so
neither a torn write nor a file that somebody else made is taken for one.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from typing import Any, Final

import llvmlite
import msgspec
from llvmlite import binding as llvm

from lockstep import places
from lockstep.cpu.hostmemory import check_executable
from lockstep.cpu.native.messages import Order, Portion, Request, encode
from lockstep.cpu.native.target import host_cpu, host_features, new_target_machine
from lockstep.errors import HostFailure
from lockstep.places.seal import SEAL_BYTES, seal, secret
from lockstep.places.trust import (
    Notify,
    check_directory,
    make_directory,
    read_file,
    say_once,
)

KEPT: Final = 4  # objects of other versions that may stay
EXPORTS: Final = (
    "lockstep_run", "lockstep_flush", "lockstep_before_write", "lockstep_install_region",
    "lockstep_handlers", "lockstep_handler_names", "lockstep_rehash",
)  # fmt: skip
_FLOORS: Final = ("cpu", "isa")

Aide = Callable[[bytes], bytes | None]
"""A compiler in another process: answers cpu/native/messages. Nothing: it does not get over this
request. None: it never will answer again."""


@cache
def version_key() -> str:
    """Stands for everything that object code depends on but for what it is made from."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[2]
    for floor in _FLOORS:
        for source in sorted((package / floor).rglob("*.py")):
            digest.update(str(source.relative_to(package)).encode())
            digest.update(source.read_bytes())
    for fact in (llvmlite.__version__, llvm.llvm_version_info, host_cpu(), host_features()):
        digest.update(repr(fact).encode())
    return digest.hexdigest()[:32]


def request(asked: Portion | Order) -> bytes:
    """What to send to an Aide, which may have been installed anew since this process began."""
    return encode(Request(version_key(), asked))


def _quiet(message: str) -> None:
    """Nobody wants to hear."""


def kept(path: Path, notify: Notify = _quiet) -> bytes | None:
    """The object in `path`, or None if there is none, it is damaged, or others may have made it."""
    try:
        check_directory(path.parent)
        content = read_file(path)
        key = secret(places.cache_directory())
    except FileNotFoundError:
        return None
    except (HostFailure, OSError) as error:
        say_once(notify, error)
        return None
    found, code = content[:SEAL_BYTES], content[SEAL_BYTES:]
    return code if seal(key, os.fsencode(path.name), code) == found else None


def keep(path: Path, code: bytes, notify: Notify = _quiet) -> None:
    """Best effort: an unwritable cache costs time at the next start and nothing else."""
    try:
        sealed = seal(secret(places.cache_directory()), os.fsencode(path.name), code) + code
        make_directory(path.parent)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(sealed)
                file.flush()
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise
        _drop_old(path.parent)
    except (HostFailure, OSError) as error:
        say_once(notify, error)


def _drop_old(directory: Path) -> None:
    """Other versions' objects, and what was never finished because its writer was killed."""
    newest = sorted(directory.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in newest[KEPT:]:
        path.unlink(missing_ok=True)


def _compile(notify: Notify, aide: Aide | None) -> list[bytes]:
    """In two processes, if there is an aide."""
    notify("compiling the interpreter for this machine (once, a few seconds) ...")
    from lockstep.cpu.native.portions import PORTIONS, compile_portion

    others = range(1, PORTIONS)
    with ThreadPoolExecutor(PORTIONS) as pool:
        asked = {n: pool.submit(aide, request(Portion(n))) for n in others if aide is not None}
        made = [compile_portion(0)]
        for number in others:
            answer = asked[number].result() if number in asked else None
            made.append(answer or compile_portion(number))
    return made


def interpreter_objects(notify: Notify, aide: Aide | None) -> list[bytes]:
    """The interpreter's object code, from the cache or compiled now."""
    return _cached_objects(notify) or _new_objects(notify, aide)


def _cached_objects(notify: Notify) -> list[bytes] | None:
    path = _path(notify)
    code = None if path is None else kept(path, notify)
    return None if code is None else msgspec.msgpack.decode(code, type=list[bytes])


def _new_objects(notify: Notify, aide: Aide | None) -> list[bytes]:
    """Compile them, and keep them."""
    made = _compile(notify, aide)
    path = _path(notify)
    if path is not None:
        keep(path, encode(made), notify)
    return made


def _path(notify: Notify) -> Path | None:
    """The file for this version, if there is a place for it."""
    try:
        return places.interpreter_objects() / f"{version_key()}.o"
    except HostFailure as error:
        say_once(notify, error)
        return None


class Linker:
    """Puts object code into executable memory, for good.

    JITLink places all sections of an object in one block, whatever else is mapped in between;
    LLVM's older loader cannot promise that, and its relocations overflow beside a large guest RAM.
    """

    def __init__(self) -> None:
        self._jit = llvm.create_lljit_compiler(new_target_machine(), use_jit_link=True)
        self._numbers = count()  # a library that could not be linked has used up its name
        self._guard = threading.Lock()
        self._libraries: list[Any] = []

    def link(
        self,
        code: Iterable[bytes],
        exports: Iterable[str],
        imports: Mapping[str, int] | None = None,
    ) -> dict[str, int]:
        """The addresses of what objects export, which may call each other. `imports`: of what they
        call beside, unless libc has it. Raises RuntimeError. From any thread.
        """
        library = llvm.JITLibraryBuilder().add_current_process()
        for each in code:
            library.add_object_img(each)
        for name, address in (imports or {}).items():
            library.import_symbol(name, address)
        wanted = tuple(exports)
        for name in wanted:
            library.export_symbol(name)
        with self._guard:
            linked = library.link(self._jit, f"library{next(self._numbers)}")
            self._libraries.append(linked)
        return {name: int(linked[name]) for name in wanted}


class Interpreter:
    """The interpreter in executable memory: the address of what it exports, by name.

    `cached`: its code is from the cache.
    """

    def __init__(self, code: Iterable[bytes], *, cached: bool = False) -> None:
        self.cached: Final = cached
        self.linker: Final = Linker()
        try:
            check_executable()
            self.exports: Final = self.linker.link(code, EXPORTS)
        except (OSError, RuntimeError) as error:
            raise HostFailure(
                f"the interpreter cannot be put into memory: {str(error).partition(':')[0]}",
                remedy="It takes a host with more memory, or one that lets memory be executed.",
            ) from error

    @cached_property
    def handlers(self) -> dict[str, int]:
        """The address of every handler by its name."""
        names = ctypes.string_at(self.exports["lockstep_handler_names"]).decode().split("\n")
        kind = ctypes.c_uint64 * len(names)
        addresses = kind.from_address(self.exports["lockstep_handlers"])
        return dict(zip(names, addresses, strict=True))


_loaded: list[Interpreter] = []


def load(notify: Notify, aide: Aide | None = None) -> Interpreter:
    """The interpreter, loaded once for the process. An `aide` makes compiling it faster."""
    if not _loaded:
        found = _cached_objects(notify)
        code = found or _new_objects(notify, aide)
        _loaded.append(Interpreter(code, cached=found is not None))
    return _loaded[0]


def from_cache() -> bool:
    """Whether the interpreter of this process is from the cache."""
    return any(each.cached for each in _loaded)


def compile_anew(notify: Notify, aide: Aide | None = None) -> None:
    """Have an interpreter that this process compiled, whatever the cache has. Machines that are
    there already keep theirs."""
    if from_cache() or not _loaded:
        _loaded[:] = [Interpreter(_compile(notify, aide))]
