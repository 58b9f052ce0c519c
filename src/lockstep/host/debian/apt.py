"""A private apt: fetches Debian packages of another architecture, and leaves this machine's alone.

The sources, index lists, download cache and dpkg status live in one directory of ours. From the
system's apt come only the address of its Debian mirror and its transport settings (proxies and so
on); what is fetched is verified by the Debian archive keyring, as apt always does.
"""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from lockstep.errors import UsageError

MIRROR_VARIABLE = "LOCKSTEP_DEBIAN_MIRROR"
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
TOOLS = ("apt-get", "apt-cache", "apt-config", "dpkg", "dpkg-deb")


class Apt:
    """apt for one suite and one architecture, with all of its state under `root`."""

    def __init__(self, root: Path, suite: str, architecture: str) -> None:
        require_tools()
        self.root, self.suite, self.architecture = root, suite, architecture
        shutil.rmtree(root, ignore_errors=True)  # what an interrupted fetch may have left
        for folder in ("state/lists/partial", "cache/archives/partial", "packages"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        (root / "sources.list").write_text(
            f"deb [arch={architecture} signed-by={keyring()}] {mirror()} {suite} main\n"
        )
        (root / "apt.conf").write_text(self._configuration())

    def update(self) -> None:
        """Bring the suite's package index, verified against its signed release file."""
        self._run("apt-get", "-q", "update")

    def depends(self, package: str) -> list[str]:
        """The names a package depends on, first choices only."""
        shown = self._run("apt-cache", "show", "--no-all-versions", package)
        names: list[str] = []
        for line in re.findall(r"^(?:Pre-)?Depends: (.*)$", shown, re.MULTILINE):
            names += [re.split(r"[\s|(:]", item.strip())[0] for item in line.split(",")]
        return names

    def download(self, package: str) -> Path:
        """Fetch one package file (verified), once, and nothing it depends on."""
        folder = self.root / "packages" / package
        if not folder.exists():
            folder.mkdir(parents=True)
            self._run("apt-get", "-q", "download", package, folder=folder)
        return next(folder.glob("*.deb"))

    def _configuration(self) -> str:
        """Our own settings, and from the system's apt those of the transport alone."""
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
        kept = [line for line in dump.stdout.splitlines() if line.startswith("Acquire::")]
        own = {
            "APT::Architecture": self.architecture,
            "APT::Architectures::": self.architecture,
            "APT::Sandbox::User": "",  # the state is the user's own: no change of user needed
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Dir::State": str(self.root / "state"),
            "Dir::State::status": str(self.root / "status"),
            "Dir::Cache": str(self.root / "cache"),
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": str(self.root / "sources.list"),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
        }
        return "\n".join(kept + [f'{name} "{value}";' for name, value in own.items()]) + "\n"

    def _run(self, *command: str, folder: Path | None = None) -> str:
        environment = os.environ | {"APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=folder, check=False
        )
        # apt-get update ends with 0 even when an index could not be had: its "E:"/"Err:" tell.
        if done.returncode or re.search(r"^E(rr)?:", done.stdout + done.stderr, re.MULTILINE):
            raise UsageError(
                f"{' '.join(command)} failed for Debian {self.suite} ({self.architecture}): "
                + reason(done.stdout + done.stderr),
                remedy=remedy_for(done.stderr),
            )
        return done.stdout


def reason(output: str) -> str:
    """The line in which apt says what went wrong, or all that it said."""
    found = re.search(r"^E: (.*)", output, re.M) or re.search(r"^W: (.*)", output, re.M)
    return " ".join((found[1] if found else output).split())


def remedy_for(stderr: str) -> str:
    """What to do about a failed apt: by the words it failed with."""
    if "Mirror sync in progress" in stderr or "Hash Sum mismatch" in stderr:
        return (
            "the mirror is inconsistent just now and nothing unverified is used: "
            f"try again later, or name another mirror in {MIRROR_VARIABLE}"
        )
    return (
        "check the network and apt's own settings; "
        f"{MIRROR_VARIABLE}=URL chooses the Debian mirror (it must carry riscv64)"
    )


def require_tools() -> None:
    """Refuse a machine without apt, with the reason."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise UsageError(
            f"the Debian guests come through apt, and this machine has no {', '.join(missing)}",
            remedy="run this on Debian, or pass your own --kernel, --initrd and --bios",
        )


def keyring() -> Path:
    """The keys that Debian signs its archive with."""
    for path in KEYRINGS:
        if path.exists():
            return path
    raise UsageError(
        "the Debian archive keyring is missing, so nothing fetched could be verified",
        remedy="apt-get install debian-archive-keyring",
    )


def mirror() -> str:
    """The Debian mirror this machine's apt is set up with."""
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen
    for filtered in ("true", "false"):  # "false" lists sources never updated yet (a new machine)
        option = f"APT::Get::IndexTargets::Filtered={filtered}"
        command = ["apt-get", "indextargets", "-o", option, "--format", "$(SITE)"]
        listing = subprocess.run(
            [*command, "Created-By: Packages"], capture_output=True, text=True, check=False
        )
        for site in listing.stdout.split():
            if re.fullmatch(r"\w+://.*/debian/?", site):
                return site
    raise UsageError(
        "apt on this machine has no Debian mirror among its sources",
        remedy=f"name one in {MIRROR_VARIABLE}, as in a line of sources.list",
    )


def host_architecture() -> str:
    """The architecture this machine's own packages are for."""
    require_tools()
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def member(package: Path, pattern: str) -> tuple[str, bytes] | None:
    """The first file of a package whose path matches, reading no further than it."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacker:
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
                for entry in archive:
                    name = entry.name.removeprefix("./")
                    body = archive.extractfile(entry) if re.fullmatch(pattern, name) else None
                    if body is not None and entry.isfile():
                        return name, body.read()
        finally:
            unpacker.kill()
    return None
