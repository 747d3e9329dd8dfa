"""Calibrating a gallery: the threshold of a promise about searches, class probabilities, and a threshold for pairs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nearkin.core import InputError, within
from nearkin.decision.answering import calibrate_answers
from nearkin.decision.leaving_out import left_out
from nearkin.decision.pair_sweep import pair_distances
from nearkin.decision.promise import promise
from nearkin.decision.rules import supported_far
from nearkin.decision.support import smallest_rate
from nearkin.decision.thresholds import Threshold, calibrate_threshold
from nearkin.decision.unknowns import PairRate, answered, pair_rate
from nearkin.gallery.asking import Asked
from nearkin.gallery.asking_unknowns import Unknowns, given_photos, left_out_classes
from nearkin.gallery.calibration import Calibration
from nearkin.gallery.collecting import Collection
from nearkin.gallery.reading import Progress
from nearkin.gallery.viewing import View

PAIRED = 4000
"""Images whose pairs are measured for `verify`, at most, spread evenly: 8 million pairs."""

RESAMPLES = 200

PAIR_RATE = 0.01
"""Share of pairs of two classes that `verify` accepts by default; more where there are fewer than 1,000 such pairs."""


def calibrated(
    gallery: Asked,
    rate: float,
    photos: Collection | None,
    *,
    confidence: float,
    room: float,
    pair_false_accept: float | None,
    seed: int,
    on_progress: Progress | None,
) -> Calibration:
    """See `Gallery.calibrate`; nothing is kept yet."""
    view, embedder = gallery.view(), gallery.embedder
    if not len(view.enrolled):
        raise InputError(f"nothing is enrolled in {gallery.folder}, so there is nothing to calibrate; nearkin gallery add enrols images")
    fresh = _fresh(view, embedder.trained_on)
    answers = calibrate_answers(view.space, view.vectors, view.enrolled.codes, weights=view.weights, may_ask=fresh)
    votes = answers.probability.k
    if photos is None:
        unknowns = left_out_classes(view, fresh, votes)
    else:
        unknowns = given_photos(gallery, view, photos, votes, on_progress)
    room = within("room", room, 1, 1e3) * unknowns.room
    _refuse_less_than_supported(unknowns, rate, confidence, room)
    kept = promise(
        unknowns.distances, unknowns.classes, rate, confidence=confidence, room=room, independent=unknowns.independent
    )
    right, named = _of_left_out(view, fresh, votes, kept.threshold)
    pairs, no_pairs = _pairs(view, fresh, pair_false_accept, seed)
    return Calibration(
        threshold=kept.threshold,
        promise=kept,
        unknowns=unknowns.words,
        asked_classes=unknowns.size,
        enrolled_classes=len(view.enrolled.names),
        enrolled_images=len(view.enrolled),
        votes=votes,
        accuracy=right,
        named=named,
        asked=answers.chosen.asked,
        probability=answers.probability,
        pairs=pairs,
        no_pairs=no_pairs,
        pair_rate=_pair_rate(view, fresh, kept.threshold),
        set_aside=unknowns.set_aside,
        model=embedder.fingerprint,
        notes=kept.notes,
    )


def _fresh(view: View, trained_on: frozenset[str]) -> NDArray[np.bool_]:
    """(N,) enrolled images that the model was not trained on."""
    if not trained_on:
        return np.ones(len(view.enrolled), dtype=bool)
    return np.array([content not in trained_on for content in view.hashes], dtype=bool)


def _refuse_less_than_supported(unknowns: Unknowns, rate: float, confidence: float, room: float) -> None:
    least = smallest_rate(unknowns.classes, confidence=confidence, room=room, independent=unknowns.independent)
    if not 0 < within("false_accept", rate, 0, 1) < least:
        return
    smallest = math.ceil(least * 1000) / 1000
    needed = math.ceil(math.log1p(-confidence) / math.log1p(-rate))
    aside = f" ({unknowns.set_aside:,} photos are set aside: the model was trained on them or on their class)"
    raise InputError(
        f"{len(np.unique(unknowns.classes)):,} {unknowns.words} support no promise below {smallest:g} "
        f"with {confidence:.0%} confidence{aside if unknowns.set_aside else ''}, and {rate:g} was asked for. Promise at least that "
        f"much (--false-accept {smallest:g}), or give photos of {needed:,} or more classes that are not enrolled (--unknowns FOLDER)"
    )


def _of_left_out(
    view: View, fresh: NDArray[np.bool_], votes: int, threshold: float
) -> tuple[float | None, float | None]:
    """Share of left-out enrolled images that are voted into their class, and that are named at all."""
    asked = left_out(view.space, view.vectors, view.enrolled.codes, votes, may_ask=fresh)
    if not len(asked.asked):
        return None, None
    winner, distance = answered(asked.distances, asked.voters, weights=view.weights)
    return float((winner == view.enrolled.codes[asked.asked]).mean()), float((distance <= threshold).mean())


def _pairs(view: View, fresh: NDArray[np.bool_], rate: float | None, seed: int) -> tuple[Threshold | None, str | None]:
    """The threshold of `verify`, at a rate over pairs of enrolled classes; or why there is none."""
    places = _some(fresh)
    try:
        pairs = pair_distances(view.space, view.vectors[places], view.enrolled.codes[places], seed=seed)
        if rate is None:
            rate = max(PAIR_RATE, supported_far(pairs.negatives))
        return calibrate_threshold(pairs, "far", far=rate, bootstrap=RESAMPLES, seed=seed), None
    except InputError as error:
        return None, str(error)


def _pair_rate(view: View, fresh: NDArray[np.bool_], threshold: float) -> PairRate | None:
    """What the search's threshold would accept of pairs of two enrolled classes; None where there are none."""
    places = _some(fresh)
    rows, codes = view.vectors[places], view.enrolled.codes[places]
    if len(np.unique(codes)) < 2:
        return None
    return pair_rate(view.space, rows, rows, threshold, query_groups=codes, reference_groups=codes)


def _some(fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    places = np.flatnonzero(fresh)
    return places if len(places) <= PAIRED else places[np.arange(PAIRED) * len(places) // PAIRED]
