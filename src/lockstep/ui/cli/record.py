"""lockstep record: run a machine and record it."""

import typer

from lockstep.session.config import DIGEST_EVERY, PARANOID_EVERY
from lockstep.ui.cli import options as o


def record(
    output: o.Output = "last.lockstep",
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
    paranoid: o.Paranoid = False,
    max_log: o.MaxLog = None,
    pack: o.Pack = False,
) -> None:
    """Run a machine and record everything that happens to it. Ctrl-C ends the recording."""
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
    if paranoid and not 0 < digest_every < PARANOID_EVERY:
        digest_every = PARANOID_EVERY
    raise typer.Exit(
        start(
            config,
            serial,
            recording=output,
            digest_every=digest_every,
            max_log=max_log,
            embed=pack,
            stats=stats,
        )
    )
