"""Run the benchmarks: `python benchmarks/run.py --only triplets`."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import warnings
from pathlib import Path

import guard
import memory
import placement
from harness import Case
from results import publish, published, save
from rows import Row, make_row
from table import as_text

TOPICS = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))


def all_cases() -> list[Case]:
    """Every case of every topic; names are unique."""
    cases = [case for topic in TOPICS for case in getattr(importlib.import_module(topic), "CASES", [])]
    twice = {case.name for case in cases if [other.name for other in cases].count(case.name) > 1}
    if twice:
        raise ValueError(f"two cases of one name: {', '.join(sorted(twice))}")
    return cases


def chosen_cases(pattern: str) -> list[Case]:
    """The cases whose name the pattern, a regular expression, is found in; on a GPU, of those that it runs."""
    cases = [case for case in all_cases() if not placement.on_gpu() or re.search(placement.ROWS, case.name)]
    return [case for case in cases if re.search(pattern, case.name)]


def left_of(cases: list[Case], since: str) -> list[Case]:
    """The cases that have no published row measured since that time: what an interrupted run has left to do."""
    rows = published()
    return [case for case in cases if case.name not in rows or rows[case.name].get("measured", "") < since]


def listed(cases: list[Case]) -> str:
    """Names of the cases, with the minutes that their published rows took, and the sum."""
    took = {name: row["took"] for name, row in published().items() if "took" in row}
    lines = [f"{case.name}  {took[case.name] / 60:.1f} min" if case.name in took else case.name for case in cases]
    known = [took[case.name] for case in cases if case.name in took]
    return "\n".join([*lines, f"{len(cases)} cases; {len(known)} of them took {sum(known) / 60:.0f} min"])


def run(cases: list[Case], *, quick: bool, cpu_only: bool, publishing: bool = False) -> list[Row]:
    """The rows of the cases, each shown, and if asked put into docs/, as it is made."""
    names = [case.name for case in all_cases()]
    rows = []
    for case in cases:
        row = make_row(case, quick=quick, cpu_only=cpu_only)
        print(as_text([row]).splitlines()[1], flush=True)
        for note in row["notes"]:
            print(f"    {note}", flush=True)
        rows.append(row)
        if publishing:
            publish([row], names)
    return rows


def guarded(rows: list[Row], cases: list[Case], baseline: Path, *, quick: bool, slack: float) -> bool:
    """Whether no ratio is worse than the stored one; what looks worse is measured twice more, and the best counts."""
    stored, found = guard.stored_costs(baseline), guard.costs(rows)
    for _ in range(2):
        again = [case for case in cases if case.name in guard.worse(stored, found, slack)]
        if again:
            print(f"measured again: {', '.join(case.name for case in again)}", flush=True)
        found = guard.better_of(found, guard.costs([make_row(case, quick=quick, cpu_only=True) for case in again]))
    said = guard.worse(stored, found, slack)
    for name, words in sorted(said.items()):
        print(f"WORSE {name}: {'; '.join(words)}")
    lost = [row["name"] for row in rows if row["name"] in stored and row["name"] not in found]
    if lost:
        print(f"WORSE, no ratio any more: {', '.join(lost)}")
    print(f"guard: {len(stored.keys() & found.keys())} cases compared, {len(said) + len(lost)} worse")
    return not said and not lost


def options_of(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="cases whose name it (a regular expression) is in"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, three rounds: does everything run?")
    parser.add_argument("--cpu", action="store_true", help="CPU time of one thread only: no wall time, no memory")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where losses are measured")
    parser.add_argument("--list", action="store_true", help="the names of the cases, and what they took when published")
    parser.add_argument(
        "--not-since", metavar="TIME", help="leave out cases published since TIME (2026-11-21T18:00): go on with a run"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the result there")
    parser.add_argument("--publish", action="store_true", help="write the result into docs/")
    parser.add_argument("--guard", action="store_true", help="fail where a ratio got worse; implies --cpu")
    parser.add_argument("--keep", action="store_true", help="store the ratios for the guard")
    parser.add_argument("--baseline", metavar="FILE", type=Path, default=guard.BASELINE, help="the guard's ratios")
    parser.add_argument("--slack", type=float, default=guard.SLACK, help="share by which a ratio may be worse")
    parser.add_argument("--peak-of", nargs=2, metavar=("CASE", "CONTENDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.device != "cpu" and (options.guard or options.keep):
        parser.error("the guard compares ratios of the CPU")
    return options


def main(words: list[str] | None = None) -> int:
    options = options_of(words)
    placement.use(options.device)
    warnings.simplefilter("ignore")
    if options.peak_of:
        name, contender = options.peak_of
        case = next(case for case in all_cases() if case.name == name)
        print(memory.child(case, contender, small=options.quick))
        return 0
    cases = chosen_cases(options.only)
    if options.not_since:
        cases = left_of(cases, options.not_since)
    if options.list:
        print(listed(cases))
        return 0
    rows = run(cases, quick=options.quick, cpu_only=options.cpu or options.guard, publishing=options.publish)
    print("\n" + as_text(rows))
    if options.json:
        save(rows, options.json)
    good = not any(row["status"] in ("wrong", "error") for row in rows)
    if options.guard:
        good &= guarded(rows, cases, options.baseline, quick=options.quick, slack=options.slack)
    if options.keep:
        guard.keep(guard.costs(rows), options.baseline)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
