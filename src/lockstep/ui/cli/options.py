"""The options of a machine, shared by the verbs that start one."""

from typing import Annotated, Any

import typer

Kernel = Annotated[str | None, typer.Option(metavar="F", help="ELF, Linux Image or raw code.")]
Initrd = Annotated[str | None, typer.Option(metavar="F", help="Initial RAM disk.")]
Append = Annotated[str, typer.Option(metavar="S", help="Kernel command line.")]
Bios = Annotated[str, typer.Option(metavar="F|none|default", help="Firmware; default: OpenSBI.")]
Dtb = Annotated[str | None, typer.Option(metavar="F", help="Replaces the device tree.")]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="RAM, such as 512M or 2G.")]
Smp = Annotated[int, typer.Option(metavar="N", help="Harts, 1 to 8.")]
Serial = Annotated[
    str,
    typer.Option(
        metavar="WHERE",
        help="The console: stdio, null, pty, file:F, tcp:HOST:PORT or unix:PATH.",
    ),
]
Shift = Annotated[int, typer.Option(metavar="N", help="An instruction takes 2**N virtual ns.")]
Idle = Annotated[
    str, typer.Option(metavar="real|skip", help="While the guest waits: wait too, or jump ahead.")
]
Engine = Annotated[str, typer.Option(metavar="auto|interp|reference", help="How to execute.")]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help="Compute clock and entropy from N instead of asking the host."),
]
DigestEvery = Annotated[
    int, typer.Option(metavar="N", help="Instructions between digests of the machine; 0: none.")
]
MaxLog = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Stop the machine before the recording is bigger: 64M."),
]
Pack = Annotated[bool, typer.Option("--pack", help="Put the images into the recording, too.")]
Output = Annotated[str, typer.Option("-o", "--output", metavar="REC", help="The recording.")]
Recording = Annotated[str, typer.Argument(metavar="REC", help="A recording.")]
Paranoid = Annotated[
    bool,
    typer.Option(
        "--paranoid", help="Digests every 100,000 instructions: slower, but they say more."
    ),
]
Symbols = Annotated[
    str | None,
    typer.Option(metavar="F", help="Names functions, from an ELF such as vmlinux or a System.map."),
]
Stats = Annotated[bool, typer.Option("--stats", help="Say in the end where the time went.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


def choose(option: str, value: str, *choices: str) -> str:
    """`value`, if it is one of the choices."""
    from lockstep.errors import UsageError

    if value not in choices:
        raise UsageError(f"{option} {value} is not known", remedy=f"one of: {', '.join(choices)}")
    return value


def machine_config(**options: Any) -> Any:
    """The `MachineConfig` of what was given on the command line."""
    from lockstep.session.config import MachineConfig, parse_size

    choose("--idle", options["idle"], "real", "skip")
    choose("--engine", options["engine"], "auto", "interp", "reference")
    options["memory"] = parse_size(options["memory"])
    config = MachineConfig(**options)
    config.check()
    return config
