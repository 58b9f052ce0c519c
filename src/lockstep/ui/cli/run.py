"""lockstep run: run a machine."""

import typer

from lockstep.session.config import DIGEST_EVERY
from lockstep.ui.cli import options as o


def run(
    kernel: o.Kernel = None,
    initrd: o.Initrd = None,
    append: o.Append = "",
    bios: o.Bios = "default",
    dtb: o.Dtb = None,
    memory: o.Memory = "512M",
    smp: o.Smp = 1,
    serial: o.Serial = "stdio",
    shift: o.Shift = 2,
    idle: o.Idle = "real",
    engine: o.Engine = "auto",
    seed: o.Seed = None,
    digest_every: o.DigestEvery = DIGEST_EVERY,
    stats: o.Stats = False,
) -> None:
    """Run a machine and record nothing; so there are no digests either."""
    from lockstep.ui.cli.machine import start

    config = o.machine_config(
        kernel=kernel,
        initrd=initrd,
        append=append,
        bios=bios,
        dtb=dtb,
        memory=memory,
        smp=smp,
        shift=shift,
        idle=idle,
        engine=engine,
        seed=seed,
    )
    raise typer.Exit(start(config, serial, stats=stats))
