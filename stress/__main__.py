"""`python -m stress`: run the campaigns; when all ran in full, write docs/reliability.md."""

from __future__ import annotations

import argparse
import sys
import time

from stress import report
from stress.campaign import find, names


def main() -> int:
    """1 if a claim was broken."""
    options = _options()
    wanted = options.only or names()
    entries = []
    for name in wanted:
        campaign = find(name)
        count = max(1, round(campaign.FULL * options.scale))
        print(f"{name}: {count:,} times, {campaign.CLAIM}", flush=True)
        began = time.monotonic()
        result = campaign.run(count)
        entry = report.Entry(name, campaign.CLAIM, result, time.monotonic() - began)
        entries.append(entry)
        _print(entry)
    if not options.only and options.scale == 1:
        report.DOCUMENT.write_text(report.text(entries))
        print(f"written to docs/{report.DOCUMENT.name}")
    return 0 if all(each.result.passed for each in entries) else 1


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
