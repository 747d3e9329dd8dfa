"""Run the benchmarks: `python benchmarks/run.py --only triplets`."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import warnings
from pathlib import Path

import memory
from harness import Case
from rows import Row, make_row
from table import as_text

TOPICS = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))


def all_cases() -> list[Case]:
    """Every case of every topic; names are unique."""
    cases = [case for topic in TOPICS for case in importlib.import_module(topic).CASES]
    twice = {case.name for case in cases if [other.name for other in cases].count(case.name) > 1}
    if twice:
        raise ValueError(f"two cases of one name: {', '.join(sorted(twice))}")
    return cases


def chosen_cases(pattern: str) -> list[Case]:
    """The cases whose name the pattern, a regular expression, is found in."""
    return [case for case in all_cases() if re.search(pattern, case.name)]


def run(cases: list[Case], *, quick: bool, cpu_only: bool) -> list[Row]:
    """The rows of the cases, each shown as it is made."""
    rows = []
    for case in cases:
        row = make_row(case, quick=quick, cpu_only=cpu_only)
        print(as_text([row]).splitlines()[1], flush=True)
        for note in row["notes"]:
            print(f"    {note}", flush=True)
        rows.append(row)
    return rows


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="cases whose name it (a regular expression) is found in"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, three rounds: does everything run?")
    parser.add_argument("--cpu", action="store_true", help="CPU time of one thread only: no wall time, no memory")
    parser.add_argument("--list", action="store_true", help="the names of the cases")
    parser.add_argument("--peak-of", nargs=2, metavar=("CASE", "CONTENDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    warnings.simplefilter("ignore")
    if options.peak_of:
        name, contender = options.peak_of
        case = next(case for case in all_cases() if case.name == name)
        print(memory.child(case, contender, small=options.quick))
        return 0
    cases = chosen_cases(options.only)
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    rows = run(cases, quick=options.quick, cpu_only=options.cpu)
    print("\n" + as_text(rows))
    return 1 if any(row["status"] in ("wrong", "error") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
