"""From the nearest enrolled images to an answer: who is voted for, how near, how likely, and whether that is near enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nearkin.decision.probability import DEPTH
from nearkin.decision.unknowns import answered
from nearkin.gallery.answers import NAMED, NOT_CALIBRATED, UNKNOWN, Answer, Candidate, Model, Neighbour
from nearkin.gallery.calibration import Calibration
from nearkin.gallery.reading import Row
from nearkin.gallery.searching import Found
from nearkin.gallery.viewing import View

SHOWN = 5
"""Candidates and neighbours of an answer; as many neighbours as vote where those are more."""


def depth_of(votes: int, enrolled: int) -> int:
    """How many neighbours an answer looks at: those that vote, and those that its probability is made of."""
    return min(max(DEPTH, votes, SHOWN), enrolled)


def voters_of(places: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Class codes (A, K) of neighbours; -1 where there is none."""
    return np.where(places >= 0, codes[places], -1) if len(codes) else np.full(places.shape, -1)


def decided(rows: Sequence[Row], found: Found, view: View, model: Model) -> list[Answer]:
    """Answers of photos whose nearest enrolled images are known."""
    names, calibration, votes = view.enrolled.names, view.calibration, view.votes
    voters = voters_of(found.places, view.enrolled.codes)
    winner, distance = answered(found.distances[:, :votes], voters[:, :votes], weights=view.weights)
    likely = _likely(found.distances, voters, len(names), calibration)
    threshold = calibration.threshold if calibration else None
    near = found.places[:, : max(SHOWN, votes)]
    sources, promise = view.sources(near), view.promise
    made = []
    for place, row in enumerate(rows):
        shares = None if likely is None else likely[place]
        candidates = tuple(
            Candidate(
                names[voters[place, column]],
                None if shares is None else float(shares[column]),
                float(found.distances[place, column]),
            )
            for column in _candidates(voters[place], int(winner[place]), shares)
        )
        decision = NOT_CALIBRATED if threshold is None else NAMED if distance[place] <= threshold else UNKNOWN
        made.append(
            Answer(
                image=row.photo.name,
                decision=decision,
                label=None if decision == UNKNOWN else candidates[0].label,
                probability=candidates[0].probability,
                distance=float(distance[place]),
                threshold=threshold,
                promise=promise,
                votes=votes,
                candidates=candidates,
                neighbours=neighbours(near[place], found.distances[place], view, sources),
                model=model,
                revision=view.revision,
                remarks=(*row.remarks, *([found.note] if found.note else [])),
            )
        )
    return made


def neighbours(
    places: NDArray[np.int64], distances: NDArray[np.float64], view: View, sources: Mapping[int, str]
) -> tuple[Neighbour, ...]:
    """The enrolled images at these places, in order; places of -1 are left out."""
    enrolled = view.enrolled
    return tuple(
        Neighbour(enrolled.names[enrolled.codes[at]], float(far), int(enrolled.ids[at]), sources[int(enrolled.ids[at])])
        for at, far in zip(places.tolist(), distances)
        if at >= 0
    )


def _likely(
    distances: NDArray[np.float64], voters: NDArray[np.int64], classes: int, calibration: Calibration | None
) -> NDArray[np.float64] | None:
    """Probabilities (A, K) beside each class's nearest neighbour, 0 beside its others; None before calibration."""
    if calibration is None or not calibration.probability.is_calibrated:
        return None
    return calibration.probability.seen(distances, voters, classes)[0]


def _candidates(voters: NDArray[np.int64], winner: int, likely: NDArray[np.float64] | None) -> list[int]:
    """Columns of the nearest neighbour of each class in question: the winner's, then by probability or by distance."""
    first: dict[int, int] = {}
    for column, code in enumerate(voters.tolist()):
        if code >= 0:
            first.setdefault(code, column)
    weight = {code: 0.0 if likely is None else -float(likely[column]) for code, column in first.items()}
    order = sorted(first, key=lambda code: (code != winner, weight[code], first[code]))
    return [first[code] for code in order[:SHOWN]]
