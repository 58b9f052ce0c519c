"""What several verbs take on the command line, each option once; see `spread` for the groups.

A new option of a machine that the guest can see goes into `MachineOptions`, one that it cannot into
`SessionOptions`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lockstep.session.config import DIGEST_EVERY, PARANOID_EVERY
from lockstep.ui.cli.numbers import count

if TYPE_CHECKING:
    from lockstep.session.config import MachineConfig


def _latest() -> str:
    from pathlib import Path

    from lockstep.session.naming import latest

    return str(latest(Path()))


Recording = Annotated[
    str,
    typer.Argument(
        metavar="[REC]",
        default_factory=_latest,
        show_default=False,
        help="A recording; without it the one that was made last in this directory.",
    ),
]
INSTANT: Final = "ICOUNT|TIME|%"
"""How instants of a recording are given: see session/instants."""
Force = Annotated[
    bool, typer.Option("-f", "--force", help="Replace the recording that is there already.")
]
Symbols = Annotated[
    str | None,
    typer.Option(metavar="F", help="Names functions, from an ELF such as vmlinux or a System.map."),
]
Images = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="ROLE=PATH",
        help="Where an image of the recording is now: kernel=F, bios=F, initrd=F or dtb=F.",
    ),
]
Stats = Annotated[bool, typer.Option("--stats", help="Say in the end where the time went.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable; errors, too.")]
ConsoleJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Say how it ended, or what went wrong, as JSON in the last line of standard error.",
    ),
]


@dataclass(frozen=True)
class MachineOptions:
    """The machine as the guest sees it: what goes into its `MachineConfig`."""

    kernel: Annotated[
        str | None, typer.Option(metavar="F", help="ELF, Linux Image or raw code.")
    ] = None
    initrd: Annotated[str | None, typer.Option(metavar="F", help="Initial RAM disk.")] = None
    append: Annotated[str, typer.Option(metavar="S", help="Kernel command line.")] = ""
    bios: Annotated[
        str, typer.Option(metavar="F|none|default", help="Firmware; default: OpenSBI.")
    ] = "default"
    dtb: Annotated[str | None, typer.Option(metavar="F", help="Replaces the device tree.")] = None
    memory: Annotated[str, typer.Option(metavar="SIZE", help="RAM, such as 512M or 2G.")] = "512M"
    smp: Annotated[int, typer.Option(metavar="N", help="Harts, 1 to 8.")] = 1
    svade: Annotated[
        bool,
        typer.Option("--svade", help="Hardware sets A and D in page tables only if asked to."),
    ] = False
    shift: Annotated[
        int, typer.Option(metavar="N", help="An instruction takes 2**N virtual ns.")
    ] = 2
    idle: Annotated[
        str,
        typer.Option(metavar="real|skip", help="While the guest waits: wait too, or jump ahead."),
    ] = "real"
    engine: Annotated[
        str, typer.Option(metavar="auto|interp|reference", help="How to execute.")
    ] = "auto"
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Compute clock and entropy from N instead of asking the host."
        ),
    ] = None
    no_reboot: Annotated[
        bool, typer.Option("--no-reboot", help="A reset of the machine ends it instead.")
    ] = False

    def config(self) -> "MachineConfig":
        """The machine of that description. Raises UsageError."""
        from lockstep.session.config import MachineConfig, parse_size

        choose("--idle", self.idle, "real", "skip")
        choose("--engine", self.engine, "auto", "interp", "reference")
        given = {"memory": parse_size(self.memory), "no_reboot": self.no_reboot or None}
        config = MachineConfig(**{**vars(self), **given})
        config.check()
        return config


@dataclass(frozen=True)
class SessionOptions:
    """How a machine is run live: its surroundings, and what is said at its end."""

    serial: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="The console: stdio, null, pty, file:F, tcp:HOST:PORT or unix:PATH.",
        ),
    ] = "stdio"
    until: Annotated[
        str | None,
        typer.Option(
            metavar="ICOUNT|TIME",
            help="End after so many instructions (1.7G), or so much virtual time (12.5s).",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="End with status 124 after so long on this host."),
    ] = None
    pace: Annotated[
        str | None,
        typer.Option(
            metavar="real|none",
            show_default=False,
            help="Keep the guest's clock from running ahead of the host's, or let it. "
            "Default: real, with --idle skip none.",
        ),
    ] = None
    halt_ok: Annotated[
        bool,
        typer.Option("--halt-ok", help="A guest that can never wake again ends with 0, not 7."),
    ] = False
    stats: Stats = False
    as_json: ConsoleJson = False


@dataclass(frozen=True)
class RecordingOptions:
    """The recording that is made meanwhile."""

    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="REC",
            show_default=False,
            help="The recording; default: KERNEL-N.lockstep, with the next number.",
        ),
    ] = None
    force: Force = False
    digest_every: Annotated[
        int,
        typer.Option(
            metavar="N", parser=count, help="Instructions between digests of the machine; 0: none."
        ),
    ] = DIGEST_EVERY
    paranoid: Annotated[
        bool,
        typer.Option(
            "--paranoid",
            help=f"Digests every {PARANOID_EVERY:,} instructions: slower, but they say more.",
        ),
    ] = False
    max_log: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Stop the machine before the recording is bigger: 64M."),
    ] = None
    pack: Annotated[
        bool, typer.Option("--pack", help="Put the images into the recording, too.")
    ] = False

    @property
    def digest_interval(self) -> int:
        """Instructions between digests; 0 means none."""
        if self.paranoid and not 0 < self.digest_every < PARANOID_EVERY:
            return PARANOID_EVERY
        return self.digest_every


def choose(option: str, value: str, *choices: str) -> str:
    """`value`, if it is one of the choices."""
    from lockstep.errors import UsageError

    if value not in choices:
        raise UsageError(f"{option} {value} is not known", remedy=f"one of: {', '.join(choices)}")
    return value
