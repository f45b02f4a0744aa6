"""`python -m appliance.bench [--quick] [--million] [--json FILE]`: measure and print (docs/benchmarks.md)."""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter

from appliance.bench.measure import MILLION, QUICK, Plan, measure
from appliance.bench.report import Result, percentile, table
from appliance.errors import MemboxError


def main(words: list[str] | None = None) -> int:
    """Run the benchmark; the exit code is 1 when it could not be run; a missed aim is said in the table."""
    options = _options(words)
    begin = perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="membox-bench-", dir=options.directory) as directory:
            machine = _machine(Path(directory))
            results = measure(Path(directory), _plan(options), _say)
    except MemboxError as error:
        sys.stderr.write("\n".join([f"Error: {error.sentence}", *getattr(error, "__notes__", [])]) + "\n")
        return 1
    seconds = perf_counter() - begin
    sys.stdout.write(f"\n{machine}; measured in {seconds:.0f} s\n\n{table(results)}\n")
    if options.json:
        options.json.write_text(_as_json(machine, seconds, results), encoding="utf-8")
    return 0


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m appliance.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run of under a minute: no 100,000 items")
    parser.add_argument("--million", action="store_true", help="go on to 1,000,000 items: about ten minutes more")
    parser.add_argument(
        "--embedding", choices=("off", "light", "better"), default="light", help="which vectors (default: light)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--directory", metavar="DIR", help="measure on this disk (default: where temporary files are)")
    return parser.parse_args(words)


def _plan(options: argparse.Namespace) -> Plan:
    plan = replace(QUICK if options.quick else Plan(), embedding=options.embedding)
    return replace(plan, sizes=(*plan.sizes, MILLION)) if options.million else plan


def _machine(directory: Path) -> str:
    """What the figures depend on: processors, versions, and how long the disk takes to make 4 KB durable."""
    with (directory / "durable").open("wb") as file:
        times = []
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            begin = perf_counter()
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            times.append(perf_counter() - begin)
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, a durable write of 4 KB {percentile(times, 50) * 1e3:.2f} ms"
    )


def _as_json(machine: str, seconds: float, results: list[Result]) -> str:
    lines = [asdict(result) | {"ratio": result.ratio} for result in results]
    return json.dumps({"machine": machine, "seconds": seconds, "results": lines}, indent=2, ensure_ascii=False) + "\n"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
