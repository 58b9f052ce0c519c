"""The guests of the tests and the examples: Debian's riscv64 kernel, busybox and OpenSBI.

`fetch_guests` brings them through apt (`host/debian`) into the user's cache, once, and writes down
where each came from and its SHA-256. A directory that others can write is not used: see
`places.trust`.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lockstep import places
from lockstep.errors import HostFailure, UsageError
from lockstep.host.debian.apt import Apt, host_architecture
from lockstep.host.debian.initramfs import INIT_SCRIPT, build_initramfs
from lockstep.host.debian.packages import Found, from_installer, from_packages
from lockstep.places.trust import check_directory, make_directory

SUITE = "trixie"
ARCHITECTURE = "riscv64"
MANIFEST = "manifest.json"
LIBRARIES = "lib"

Progress = Callable[[str], None]


class GuestFile(msgspec.Struct, frozen=True):
    """One file of the set: its digest, and the package (name, version) that it comes from."""

    sha256: str
    size: int
    package: str


class Manifest(msgspec.Struct, frozen=True):
    """What `manifest.json` says: the suite, and every file by its name in the directory."""

    suite: str
    files: dict[str, GuestFile]


class GuestSet(msgspec.Struct, frozen=True):
    """Where the guests are. `kernel` is a Linux Image, `bios` OpenSBI's fw_dynamic."""

    directory: Path
    manifest: Manifest

    @property
    def kernel(self) -> Path:
        return self.directory / "Image"

    @property
    def bios(self) -> Path:
        return self.directory / "fw_dynamic.bin"

    @property
    def initrd(self) -> Path:
        return self.directory / "initramfs.cpio.gz"

    def initramfs(self, init_script: str) -> bytes:
        """Another initramfs of the same programs, whose /init is `init_script`."""
        names = [Path(name) for name in self.manifest.files]
        libraries = {name.name: name for name in names if name.parent.name == LIBRARIES}
        return build_initramfs(
            (self.directory / "busybox").read_bytes(),
            init_script,
            {name: (self.directory / path).read_bytes() for name, path in libraries.items()},
        )


def guests_directory(suite: str = SUITE) -> Path:
    """Where the guests of a suite are kept: guests/SUITE in the cache. Raises HostFailure."""
    return places.guests() / suite


def fetch_guests(progress: Progress, suite: str = SUITE, *, refresh: bool = False) -> GuestSet:
    """Return the guests, fetching what is not there yet. Safe to call from several processes.

    Raises HostFailure if there is no place for them, and UsageError if apt does not bring them.
    """
    directory = guests_directory(suite)
    try:
        make_directory(directory)
    except OSError as error:
        raise HostFailure(
            f"the guests cannot be kept in {directory}: {error.strerror}",
            remedy=f"set {places.CACHE_VARIABLE} to a directory of your own",
        ) from error
    with _alone_in(directory):
        present = None if refresh else find_guests(suite)
        return present or _fetch(progress, suite, directory)


def find_guests(suite: str = SUITE) -> GuestSet | None:
    """The guests if they are there and whole, else None. Touches no network."""
    try:
        directory = guests_directory(suite)
        check_directory(directory)
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
        whole = all(
            hashlib.sha256((directory / name).read_bytes()).hexdigest() == file.sha256
            for name, file in manifest.files.items()
        )
    except (HostFailure, OSError, msgspec.DecodeError):
        return None
    return GuestSet(directory, manifest) if whole else None


def _fetch(progress: Progress, suite: str, directory: Path) -> GuestSet:
    """Bring the files, and write the manifest last: without it nothing counts as fetched."""
    (directory / MANIFEST).unlink(missing_ok=True)
    found = _find_packages(progress, suite, directory / "apt")
    libraries = {f"{LIBRARIES}/{name}": held for name, held in found.libraries.items()}
    contents = {name: held[0] for name, held in found.libraries.items()}
    initramfs = build_initramfs(found.busybox[0], INIT_SCRIPT, contents)
    files = {
        "Image": found.kernel,
        "fw_dynamic.bin": found.firmware,
        "busybox": found.busybox,
        "initramfs.cpio.gz": (initramfs, found.busybox[1]),
        **libraries,
    }
    listed: dict[str, GuestFile] = {}
    for name, (data, package) in files.items():
        _write(directory / name, data)
        listed[name] = GuestFile(hashlib.sha256(data).hexdigest(), len(data), package)
    manifest = Manifest(suite, listed)
    _write(directory / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    shutil.rmtree(directory / "apt")  # ten times the size of what was wanted
    progress("the guests are ready: " + ", ".join(sorted({f.package for f in listed.values()})))
    return GuestSet(directory, manifest)


def _find_packages(progress: Progress, suite: str, root: Path) -> Found:
    """From the riscv64 packages; or else from the installer, which every architecture has."""
    progress(f"fetching Debian {suite}'s kernel, busybox and OpenSBI for {ARCHITECTURE}")
    try:
        return from_packages(Apt(root, suite, ARCHITECTURE))
    except UsageError as refused:
        progress(refused.message)
        progress(f"trying {suite}'s installer for {ARCHITECTURE} instead (52 MB)")
        try:
            return from_installer(Apt(root, suite, host_architecture()))
        except UsageError:
            raise refused from None


def _write(path: Path, data: bytes) -> None:
    """Replace a file at one stroke: readers see the old one or the new one, whole."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(unfinished, flags, 0o600), "wb") as file:
        file.write(data)
    unfinished.replace(path)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory against other processes that fetch into it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(directory / ".lock", flags, 0o600), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
