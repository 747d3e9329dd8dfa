"""The rows of a result table: every score with its interval, the difference to the baseline with its verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nearkin.core import InputError
from nearkin.report.records import Floats, Records, column_of
from nearkin.report.study import COMPARED, SEEDLESS, Method, Run, Study
from nearkin.report.summary import Row
from nearkin.report.titles import score_title
from nearkin.statistics import Difference, Interval, against_baseline, all_pairs, interval, seed_interval, verdict

AGREES = 1e-4  # run.json and the mean of records.csv may differ by rounding only

Runs = Mapping[str, Mapping[int, Run]]
Answers = Mapping[str, Mapping[int, Records]]


def score_names(runs: Runs, primary: str) -> tuple[str, ...]:
    """All scores that any run has, in the order in which the runs write them, the primary one first."""
    names = dict.fromkeys(name for seeds in runs.values() for run in seeds.values() for name in run.scores)
    if primary not in names:
        raise InputError(f"no finished run has the primary score {primary!r}; they have {', '.join(names)}")
    return (primary, *(name for name in names if name != primary))


def result_rows(study: Study, runs: Runs, answers: Answers, scores: Sequence[str]) -> tuple[Row, ...]:
    """A row a method: the trained ones by their primary score, best first, then untrained and pixels."""
    differences, refused = _differences(study, runs, answers)
    rows = []
    for method in study.methods:
        if runs.get(method.name):
            has_primary = any(study.primary in run.scores for run in runs[method.name].values())
            told, detail = _verdict(study, method, differences.get(method.name), refused, has_primary)
            rows.append(
                _row(
                    study,
                    method,
                    runs[method.name],
                    answers[method.name],
                    scores,
                    differences.get(method.name),
                    told,
                    detail,
                )
            )
    return tuple(sorted(rows, key=lambda row: (row.method.kind not in COMPARED, -_level(row, study.primary))))


def _level(row: Row, primary: str) -> float:
    """The primary score of a row; minus infinity where it has none."""
    return row.scores[primary].estimate if primary in row.scores else -math.inf


def differences_of_pairs(study: Study, rows: Sequence[Row], answers: Answers) -> tuple[Difference, ...]:
    """Every two compared methods with simultaneous intervals, in the order of the rows; empty below three methods."""
    tables, units = _comparable(study, answers)
    names = [row.method.name for row in rows if row.method.name in tables]
    if len(names) < 3:
        return ()
    return tuple(all_pairs({name: tables[name] for name in names}, units.classes, over=units.over).values())


def best_and_level(study: Study, rows: Sequence[Row], pairs: Sequence[Difference]) -> tuple[str, tuple[str, ...]]:
    """The method with the highest primary score, and those that the simultaneous intervals cannot tell from it.

    The baseline is not among them: it has its own, sharper test in every row.
    """
    best = max(rows, key=lambda row: _level(row, study.primary)).method.name
    level = {
        other
        for one in pairs
        for other in (one.a, one.b)
        if best in (one.a, one.b) and other not in (best, study.baseline) and one.p is not None and not one.claimed
    }
    return best, tuple(row.method.name for row in rows if row.method.name in level)


def detectable_range(rows: Sequence[Row]) -> tuple[float, float] | None:
    """The smallest and the largest of the differences to the baseline that the design could have seen."""
    seen = [row.difference.detectable for row in rows if row.difference and row.difference.detectable is not None]
    return (min(seen), max(seen)) if seen else None


def _row(
    study: Study,
    method: Method,
    runs: Mapping[int, Run],
    answers: Mapping[int, Records],
    scores: Sequence[str],
    difference: Difference | None,
    told: str,
    detail: str,
) -> Row:
    seeds = tuple(sorted(runs))
    found = {
        name: _score(name, method, [runs[seed] for seed in seeds], [answers[seed] for seed in seeds]) for name in scores
    }
    return Row(
        method=method,
        seeds=seeds,
        scores={name: score for name, score in found.items() if score is not None},
        runs={seed: dict(runs[seed].scores) for seed in seeds},
        classes=_by_class(study.primary, [answers[seed] for seed in seeds]),
        difference=difference,
        verdict=told,
        detail=detail,
        seconds=sum(runs[seed].seconds for seed in seeds) / len(seeds),
        chosen=_median_seed(study.primary, runs),
    )


def _score(name: str, method: Method, runs: Sequence[Run], answers: Sequence[Records]) -> Interval | None:
    if not all(name in run.scores for run in runs):
        return None
    samples = [answer.sampled(name) for answer in answers]
    tables = [values for values, _ in filter(None, samples)]
    if samples[0] is None or len(tables) < len(samples):
        found = seed_interval([run.scores[name] for run in runs], bounds=(0.0, 1.0) if _is_share(name, runs) else None)
    else:
        for run, values in zip(runs, tables):
            _check_agreement(name, run, values)
        found = interval(np.stack(tables), np.array(answers[0].classes), over=samples[0][1])
    return replace(found, note="") if method.kind in SEEDLESS else found


def _is_share(name: str, runs: Sequence[Run]) -> bool:
    return all(0 <= run.scores[name] <= 1 for run in runs)


def _check_agreement(name: str, run: Run, values: Floats) -> None:
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
    if not abs(mean - run.scores[name]) <= AGREES:
        raise InputError(
            f"{run.folder}: run.json says {name} = {run.scores[name]:.6g}, its records {mean:.6g}; "
            "one of them was changed: delete this folder and run the study again"
        )


def _by_class(primary: str, answers: Sequence[Records]) -> dict[str, float]:
    """Mean primary score of each class over seeds and its queries; classes without a scored query are left out."""
    column = column_of(primary)
    if column not in answers[0].scores:
        return {}
    values = np.stack([answer.scores[column] for answer in answers]).mean(0)
    classes = np.array(answers[0].classes)
    scored = np.isfinite(values)
    return {
        str(name): float(values[scored & (classes == name)].mean()) for name in dict.fromkeys(classes[scored].tolist())
    }


def _median_seed(primary: str, runs: Mapping[int, Run]) -> int:
    """The seed of the run with the median primary score, the lower one of two; ties to the smaller seed."""
    ordered = sorted(runs, key=lambda seed: (runs[seed].scores.get(primary, 0.0), seed))
    return ordered[(len(ordered) - 1) // 2]


@dataclass(frozen=True)
class _Units:
    """What is a sample in a comparison: `over` names it, `classes` (Q,) are those of the queries."""

    over: str
    classes: np.ndarray


def _comparable(study: Study, answers: Answers) -> tuple[dict[str, Floats], _Units]:
    """Primary scores (S, Q) of the methods that have all of the baseline's seeds, (Q,) where one run counts for all.

    A method without the primary score (one without a classifier, for its accuracy) is not among them.
    """
    base = answers.get(study.baseline) or {}
    kind = next(method.kind for method in study.methods if method.name == study.baseline)
    seeds = study.seeds if kind in SEEDLESS else sorted(base)
    tables: dict[str, Floats] = {}
    for method in study.methods:
        samples = {seed: records.sampled(study.primary) for seed, records in (answers.get(method.name) or {}).items()}
        mine = {seed: found[0] for seed, found in samples.items() if found is not None}
        if len(mine) < len(samples):
            continue
        if method.kind in SEEDLESS and len(mine) == 1:
            tables[method.name] = next(iter(mine.values()))
        elif seeds and set(seeds) <= set(mine):
            tables[method.name] = np.stack([mine[seed] for seed in seeds])
    first = next(iter(base.values()), None)
    sampled = first and first.sampled(study.primary)
    return tables, _Units(sampled[1] if sampled else "classes", np.array(first.classes if first else []))


def _differences(study: Study, runs: Runs, answers: Answers) -> tuple[dict[str, Difference], str]:
    """Differences to the baseline by method, and why there are none where there are none."""
    if not runs.get(study.baseline):
        return {}, f"the baseline {study.baseline!r} has no finished run"
    if any(record.sampled(study.primary) is None for record in answers[study.baseline].values()):
        told = any(study.primary in run.scores for run in runs[study.baseline].values())
        lacks = "is one number a run, without a value for each image" if told else f"is no score of {study.baseline}"
        return {}, f"{study.primary} {lacks}"
    tables, units = _comparable(study, answers)
    if len(tables) < 2:
        return {}, "no other method has finished the baseline's seeds"
    return against_baseline(tables, units.classes, baseline=study.baseline, over=units.over), ""


def _verdict(
    study: Study, method: Method, found: Difference | None, refused: str, has_primary: bool
) -> tuple[str, str]:
    """The verdict in one word and in one sentence."""
    if method.name == study.baseline:
        return "baseline", "the others are compared with it"
    if found is None:
        if not refused and not has_primary:
            refused = f"it has no {score_title(study.primary)}"
        return ("not tested", refused) if refused else ("unfinished", "it has not finished all of the baseline's seeds")
    if found.p is None:
        return "not tested", verdict(found)
    if not found.claimed:
        return ("unclear" if found.p <= 1 - found.confidence else "equal"), verdict(found)
    return ("better" if found.estimate > 0 else "worse"), verdict(found)
