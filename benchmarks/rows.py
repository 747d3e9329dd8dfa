"""A row of the result: a case checked, timed and weighed, as plain JSON values."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import memory
import placement
from harness import (
    ENDLESS,
    OURS,
    ROUNDS,
    SAMPLE,
    Case,
    Contender,
    Setup,
    Target,
    Times,
    Unavailable,
    measure,
    relative_error,
)
from neighbours import Neighbours

Row = dict[str, Any]


def make_row(case: Case, *, quick: bool = False, cpu_only: bool = False) -> Row:
    """Check, time and weigh a case. `quick`: tiny sizes and three rounds; `cpu_only`: no wall time, no memory.

    status: "ok"; "wrong" (ours is not within the tolerance: nothing is timed); "missing"; "error", with `why`
    others: how many cores other processes kept busy meanwhile, None where the system does not tell
    """
    begun, neighbours = time.perf_counter(), Neighbours()
    row: Row = {
        "name": case.name,
        "status": "ok",
        "why": "",
        "notes": [],
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        setup = case.make(quick)
        row["notes"] += setup.notes
        contenders = _checked(case, setup, row)
        if row["status"] == "ok":
            if case.timed:
                _time(contenders, row, quick, cpu_only)
            row["memory"] = {} if cpu_only or not case.weighed else _memory(case, contenders, row, quick)
            row["targets"] = [_judged(target, row) for target in case.targets if not quick]
    except Unavailable as error:
        row.update(status="missing", why=str(error))
    except Exception as error:
        row.update(status="error", why=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
    row["took"], row["others"] = round(time.perf_counter() - begun, 1), neighbours.cores()
    return row


def _checked(case: Case, setup: Setup, row: Row) -> list[Contender]:
    """The contenders whose answer is right; ours decides over the row."""
    row["error"] = {}
    if setup.oracle is None:
        return list(setup.contenders)
    wanted, kept = setup.oracle(), []
    for contender in setup.contenders:
        if contender.kind == "floor" or contender.unlike:
            kept.append(contender)
            continue
        errors = relative_error(contender.run(), wanted)
        row["error"][contender.name] = errors
        limit = case.tolerance if contender.kind == "ours" else case.agree
        if all(error <= limit for error in errors.values()):
            kept.append(contender)
        elif contender.kind == "ours":
            row.update(status="wrong", why=f"ours is off by {_listed(errors)}, more than {limit:g}")
        else:
            row["notes"].append(f"{contender.name} answers otherwise ({_listed(errors)}): not timed")
    return kept


def _listed(errors: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {error:.1e}" for name, error in errors.items())


def _time(contenders: list[Contender], row: Row, quick: bool, cpu_only: bool) -> None:
    rounds, sample = (3, 0.0) if quick else (ROUNDS, SAMPLE)
    for key, threads in (("cpu", 1), ("wall", 2))[: 1 if cpu_only or placement.on_gpu() else 2]:
        if key == "wall" and row["cpu"][OURS]["seconds"] > ENDLESS:
            break
        times = measure(contenders, threads=threads, rounds=rounds, sample=sample)
        kept = _faster_floor(contenders, times)
        row[key] = {
            name: {"seconds": times.median(one), "rounds": len(times.rounds[one])} for name, one in kept.items()
        }
        row[f"{key} cost"] = {name: times.cost(one) for name, one in kept.items() if one != OURS}


def _faster_floor(contenders: list[Contender], times: Times) -> dict[str, str]:
    """Names to show -> contenders: of floors in several forms, "name (form)", the faster one."""
    kept: dict[str, str] = {}
    for contender in contenders:
        name = contender.name.partition(" (")[0] if contender.kind == "floor" else contender.name
        if name not in kept or times.median(contender.name) < times.median(kept[name]):
            kept[name] = contender.name
    return kept


def _memory(case: Case, contenders: list[Contender], row: Row, quick: bool) -> dict[str, float]:
    found = {}
    for contender in contenders:
        if contender.peak:
            try:
                if placement.on_gpu():
                    found[contender.name] = placement.peak(contender.run)
                else:
                    found[contender.name] = memory.peak(case, contender.name, small=quick)
            except Exception as error:
                row["notes"].append(f"memory of {contender.name} not measured: {error}")
    return found


def _judged(target: Target, row: Row) -> Row:
    try:
        value = _value(target, row)
    except KeyError:
        return {"words": target.words, "value": None, "met": None}
    return {"words": target.words, "value": value, "met": target.met_by(value)}


def _value(target: Target, row: Row) -> float:
    if target.fact == "memory":
        return float(row["memory"][OURS])
    if target.fact == "leaner":
        return float(row["memory"][target.against] / max(row["memory"][OURS], 0.001))
    if target.fact == "error":
        return float(max(row["error"][OURS].values()))
    cost = float(row["cpu cost"][target.against])
    return 1 / cost if target.fact == "faster" else cost
