"""`python -m stress`: run the campaigns; docs/reliability.md tells of all that ran in full."""

from __future__ import annotations

import argparse
import os
import sys
import time

from stress import report
from stress.campaign import find, names


def main() -> int:
    """1 if a claim was broken."""
    options = _options()
    os.environ["LOCKSTEP_DATA"] = str(report.KEPT / "data")  # not among the user's images
    passed = True
    for name in options.only or names():
        campaign = find(name)
        count = max(1, round(campaign.FULL * options.scale))
        print(f"{name}: {count:,} times, {campaign.CLAIM}", flush=True)
        began = time.monotonic()
        result = campaign.run(count)
        entry = report.Entry(name, campaign.CLAIM, result, time.monotonic() - began)
        _print(entry)
        passed = passed and result.passed
        if options.scale == 1:
            report.keep(entry)
    if options.scale == 1:
        _write_down()
    return 0 if passed else 1


def _write_down() -> None:
    """The page is about all campaigns, or not written."""
    entries = [report.kept(name) for name in names()]
    if missing := [name for name, each in zip(names(), entries, strict=True) if each is None]:
        print(f"docs/{report.DOCUMENT.name} is left as it is: {', '.join(missing)} still to be run")
    else:
        report.DOCUMENT.write_text(report.text([each for each in entries if each is not None]))
        print(f"written to docs/{report.DOCUMENT.name}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make stress", description="Try what lockstep promises until it breaks."
    )
    parser.add_argument(
        "--only", nargs="+", choices=names(), metavar="NAME", help=f"of {', '.join(names())}"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: a tenth of the full counts")
    return parser.parse_args()


def _print(entry: report.Entry) -> None:
    for name, value in entry.result.rows:
        print(f"  {name:<48} {value}")
    for failure in entry.result.failures[:20]:
        print(f"  BROKEN {failure}")
    verdict = "held" if entry.result.passed else f"broken {len(entry.result.failures)} times"
    print(f"  {verdict}, in {entry.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
