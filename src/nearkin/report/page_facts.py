"""What the page's scripts read: one JSON object, its arrays packed as little-endian, gzip and base64."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.report.class_distances import ClassDistances
from nearkin.report.confusion import Confusion
from nearkin.report.curves import SERIES, Curve
from nearkin.report.mistakes import Mistakes
from nearkin.report.numerals import count, duration, percent, share, signed, span
from nearkin.report.separation import Separation
from nearkin.report.sprite import Sprite
from nearkin.report.study import SEEDLESS
from nearkin.report.summary import Map, Points, ProtocolSummary, Row, Summary
from nearkin.report.titles import distance_title, score_title
from nearkin.report.unknowns import SCORES as OPEN_SET
from nearkin.report.unknowns import Unknowns
from nearkin.report.verification import KINDS, PARTS, Verified

NOWHERE = 65_535  # a number of a point or of a class that is not there


def page_facts(summary: Summary) -> str:
    """The JSON text, safe inside a script element: no `<`, `>` or `&` is left in it."""
    facts = {
        "primary": score_title(summary.study.primary),
        "baseline": summary.study.baseline,
        "protocols": [_protocol(summary, protocol) for protocol in summary.protocols],
    }
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def packed(array: NDArray[Any]) -> str:
    """An array as uint16, little-endian, gzip, base64; -1 becomes 65,535."""
    numbers = np.where(array < 0, NOWHERE, array) if array.dtype.kind == "i" else array
    return _packed_bytes(np.ascontiguousarray(numbers, dtype="<u2").tobytes())


def _packed_bytes(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode("ascii")


def _protocol(summary: Summary, protocol: ProtocolSummary) -> dict[str, Any]:
    rows = {row.method.name: row for row in protocol.rows}
    return {
        "name": protocol.split.protocol,
        "classes": protocol.classes,
        "sizes": protocol.class_sizes,
        "differences": [_difference(row) for row in protocol.rows],
        "points": _points(protocol.points),
        "maps": [_map(summary, rows[drawn.method], drawn) for drawn in protocol.maps],
        "separations": [_separation(found) for found in protocol.separations],
        "confusions": [_confusion(found) for found in protocol.confusions],
        "classDistances": [_class_distances(found) for found in protocol.class_distances],
        "mistakes": {
            "sprite": _sprite(protocol.pictured.sprite),
            "pictured": len(protocol.pictured.number),
            "methods": [_mistakes(protocol, found, rows[found.method]) for found in protocol.mistakes],
        },
        "verified": [_verified(found, rows[found.method]) for found in protocol.verified],
        "unknowns": {
            "methods": [_unknowns(found, rows[found.method]) for found in protocol.unknowns],
            "rows": [{"method": row.method.name, "scores": _open_set(row)} for row in protocol.rows],
        },
        "best": protocol.best,
        "curves": [
            _curves(name, [c for c in protocol.curves if c.method == name], rows[name])
            for name in dict.fromkeys(c.method for c in protocol.curves)
        ],
    }


def _difference(row: Row) -> dict[str, Any] | None:
    found = row.difference
    if found is None:
        return {"method": row.method.name, "verdict": row.verdict, "estimate": None}
    words = (
        f"{row.method.name}: {signed(found.estimate)}, interval {span(found.low, found.high, sign=True)}, {row.verdict}"
    )
    return {
        "method": row.method.name,
        "verdict": row.verdict,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "words": words,
    }


def _points(points: Points) -> dict[str, Any]:
    picture = points.sprite
    return {
        "count": len(points.place),
        "label": packed(points.label),
        "ids": _packed_bytes(json.dumps(points.image_ids, ensure_ascii=False).encode()),
        "pictured": picture.count if picture else 0,
        "sprite": _sprite(picture),
    }


def _sprite(picture: Sprite | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {
        "media": picture.media,
        "data": base64.b64encode(picture.encoded).decode("ascii"),
        "height": picture.height,
        "width": picture.width,
        "cellHeight": picture.cell[0],
        "cellWidth": picture.cell[1],
        "columns": picture.columns,
    }


def _map(summary: Summary, row: Row, drawn: Map) -> dict[str, Any]:
    score = row.runs[drawn.seed].get(summary.study.primary)
    kept = "" if drawn.kept is None else f", keeps {percent(drawn.kept)} of the 15 nearest"
    seed = "" if row.method.kind in SEEDLESS else f", seed {drawn.seed}"
    return {
        "method": drawn.method,
        "score": f"{score_title(summary.study.primary)} {'-' if score is None else share(score)}{seed}",
        "how": f"{drawn.how}{kept}",
        "xy": packed(drawn.xy),
        "near": packed(drawn.neighbours),
        "nearLabel": packed(drawn.neighbour_labels),
        "nearCount": drawn.neighbours.shape[1],
    }


def _separation(found: Separation) -> dict[str, Any]:
    nearer = "" if found.nearer is None else f"same class nearer: {percent(found.nearer, 1)}"
    return {
        "method": found.method,
        "low": float(found.edges[0]),
        "high": float(found.edges[-1]),
        "distance": distance_title(found.distance),
        "same": _short(found.same),
        "different": _short(found.different),
        "words": nearer,
        "note": found.note,
    }


def _confusion(found: Confusion) -> dict[str, Any]:
    return {
        "method": found.method,
        "words": f"{percent(found.correct, 1)} right, votes of {found.neighbours}, {count(found.seeds, 'seed')}",
        "true": found.true,
        "answered": found.answered,
        "share": None if found.share is None else [_short(row) for row in found.share],
        "mixups": [
            {"true": m.true, "answered": m.answered, "count": m.count, "share": percent(m.share, 1)}
            for m in found.mixups
        ],
    }


def _verified(found: Verified, row: Row) -> dict[str, Any]:
    seed = "" if row.method.kind in SEEDLESS else f", seed {found.seed}"
    pairs = {part: {kind: f"{found.numbers[part][kind]:,}" for kind in KINDS} for part in PARTS}
    return {
        "method": found.method,
        "words": f"AUC {share(found.auc)}, equal error rate {percent(found.eer, 1)} on the test pairs{seed}",
        "distance": distance_title(found.distance),
        "low": float(found.edges[0]),
        "high": float(found.edges[-1]),
        "shares": {part: {kind: _short(found.shares[part][kind]) for kind in KINDS} for part in PARTS},
        "pairs": pairs,
        "thresholds": [
            {
                "rule": each.rule,
                "value": float(f"{each.value:.4g}"),
                "rates": [percent(rate, 2) for rate in (*each.training, *each.test)],
                "precision": "–" if each.precision is None else percent(each.precision, 1),
            }
            for each in found.thresholds
        ],
        "far": _short(found.far),
        "tar": _short(found.tar),
    }


def _unknowns(found: Unknowns, row: Row) -> dict[str, Any]:
    seed = "" if row.method.kind in SEEDLESS else f", seed {found.seed}"
    return {
        "method": found.method,
        "words": f"AUROC {share(found.scores['auroc'])}{seed}",
        "distance": distance_title(found.distance),
        "low": float(found.edges[0]),
        "high": float(found.edges[-1]),
        "shares": {kind: _short(values) for kind, values in found.shares.items()},
        "numbers": {kind: f"{number:,}" for kind, number in found.numbers.items()},
        "curves": {name: _short(values) for name, values in found.curves.items()},
    }


def _open_set(row: Row) -> list[list[str]]:
    """Each score of a method and its interval, in words."""
    scores = [row.scores.get(name) for name in OPEN_SET]
    return [["–", ""] if found is None else [share(found.estimate), span(found.low, found.high)] for found in scores]


def _class_distances(found: ClassDistances) -> dict[str, Any]:
    few = "" if len(found.classes) == found.of else f"; the {len(found.classes)} of {found.of:,} classes mixed up most"
    return {
        "method": found.method,
        "words": f"{distance_title(found.distance)}{few}",
        "classes": found.classes,
        "mean": [[None if value != value else float(f"{value:.4g}") for value in row] for row in found.mean],
    }


def _mistakes(protocol: ProtocolSummary, found: Mistakes, row: Row) -> dict[str, Any]:
    seed = "" if row.method.kind in SEEDLESS else f", seed {found.seed}"
    return {
        "method": found.method,
        "words": f"{found.count:,} of {found.asked:,} images have a stranger nearest{seed}",
        "count": found.count,
        "recorded": found.recorded,
        "worst": [
            {
                "image": _shown(protocol, mistake.image),
                "firstKin": mistake.first_kin,
                "near": [
                    {**_shown(protocol, place), "distance": float(f"{distance:.3g}")}
                    for place, distance in zip(mistake.neighbours, mistake.distances)
                ],
            }
            for mistake in found.worst
        ],
    }


def _shown(protocol: ProtocolSummary, place: int) -> dict[str, Any]:
    """A test image: its class, its id and its thumbnail's number."""
    return {
        "label": int(protocol.labels[place]),
        "id": protocol.image_ids[place],
        "picture": protocol.pictured.number.get(place, NOWHERE),
    }


def _curves(method: str, curves: Sequence[Curve], row: Row) -> dict[str, Any]:
    steps = ", ".join(str(curve.best_step) for curve in curves)
    return {
        "method": method,
        "words": f"{duration(row.seconds)} a run; best step{'s' if len(curves) > 1 else ''} {steps}",
        "runs": [
            {
                "seed": curve.seed,
                "steps": curve.steps,
                "best": curve.best_step,
                **{name: [_short(part) for part in curve.series[name]] for name in SERIES},
            }
            for curve in curves
        ],
    }


def _short(values: NDArray[np.float64]) -> list[float]:
    """Four significant digits: more than a drawing shows."""
    return [float(f"{value:.4g}") for value in values]
