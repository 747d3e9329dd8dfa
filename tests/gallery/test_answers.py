"""From neighbours to an answer: the vote decides the class, its nearest image the distance, the threshold the name."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nearkin.decision.probability import Probability
from nearkin.gallery.answers import Model, percent, shown
from nearkin.gallery.collecting import Photo
from nearkin.gallery.deciding import decided, depth_of
from nearkin.gallery.reading import Row

NAMES = ("ant", "bee", "cat")
CODES = np.array([0, 0, 1, 2, 2, 2])


def view(votes: int, threshold: float | None, fitted: int = 100) -> Any:
    """Six enrolled images of three classes, as far as an answer looks at them."""
    probability = Probability(ratio=2.0, difference=1.0, votes=1.0, unseen=1.0, scale=1.0, k=votes, fitted=fitted)
    calibration = None if threshold is None else SimpleNamespace(threshold=threshold, votes=votes, probability=probability)
    enrolled = SimpleNamespace(names=NAMES, codes=CODES, ids=np.arange(10, 16))
    return SimpleNamespace(
        enrolled=enrolled,
        calibration=calibration,
        votes=votes,
        weights="distance",
        promise=None,
        revision=4,
        sources=lambda places: {int(number): f"{number}.png" for number in np.arange(10, 16)[np.unique(places[places >= 0])]},
    )


def answer(distances: list[float], places: list[int], votes: int, threshold: float | None, fitted: int = 100) -> Any:
    found = SimpleNamespace(distances=np.array([distances]), places=np.array([places]), note="")
    row = Row(Photo("photo.png", lambda: None), "0" * 64, np.zeros(2, np.float32), 3, 4, ("transparency laid on white",))  # type: ignore[arg-type, return-value]
    return decided([row], found, view(votes, threshold, fitted), Model("m", "f"))[0]  # type: ignore[arg-type]


def test_the_class_is_the_vote_and_the_distance_that_of_its_nearest_image() -> None:
    distances, places = [0.1, 0.11, 0.12, 0.5, 0.6, 0.7], [2, 3, 4, 5, 0, 1]
    one = answer(distances, places, 1, 0.2)
    three = answer(distances, places, 3, 0.2)
    assert (one.label, one.distance) == ("bee", 0.1)
    assert (three.label, three.distance) == ("cat", 0.11)  # 1/0.11 + 1/0.12 > 1/0.1
    assert three.candidates[0].label == "cat"
    assert three.probability == max(each.probability for each in three.candidates)
    assert [each.label for each in three.neighbours] == ["bee", "cat", "cat", "cat", "ant"]
    assert [each.source for each in three.neighbours][:2] == ["12.png", "13.png"]


@pytest.mark.parametrize(("threshold", "decision", "label"), [(0.11, "named", "cat"), (0.1099, "unknown", None), (None, "not calibrated", "bee")])
def test_the_threshold_decides_on_the_distance_of_the_answered_class(threshold: float | None, decision: str, label: str | None) -> None:
    distances, places = [0.1, 0.11, 0.12, 0.5, 0.6, 0.7], [2, 3, 4, 5, 0, 1]
    found = answer(distances, places, 3 if threshold else 1, threshold)
    assert (found.decision, found.label, found.threshold) == (decision, label, threshold)
    assert found.candidates[0].label == ("cat" if threshold else "bee")


def test_candidates_are_classes_each_once_by_their_probability() -> None:
    found = answer([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [2, 0, 1, 3, 4, 5], 1, 1.0)
    assert [each.label for each in found.candidates] == ["bee", "ant", "cat"]
    shares = [each.probability for each in found.candidates]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert [each.distance for each in found.candidates] == [0.1, 0.2, 0.4]


def test_the_answered_class_comes_first_where_there_are_no_probabilities() -> None:
    found = answer([0.1, 0.11, 0.12, 0.5, 0.6, 0.7], [2, 3, 4, 5, 0, 1], 3, 1.0, fitted=0)
    assert [(each.label, each.probability) for each in found.candidates] == [("cat", None), ("bee", None), ("ant", None)]


def test_fewer_neighbours_than_asked_for_are_no_neighbours() -> None:
    found = answer([0.1, np.inf, np.inf], [5, -1, -1], 3, 1.0)
    assert (found.label, len(found.neighbours), len(found.candidates)) == ("cat", 1, 1)


def test_an_answer_is_plain_values() -> None:
    section = json.loads(json.dumps(answer([0.1, 0.2], [2, 0], 1, 1.0).as_dict(), allow_nan=False))
    assert {"decision", "probability", "distance", "threshold", "promise", "neighbours", "model", "revision"} <= set(section)
    assert section["neighbours"][0] == {"label": "bee", "distance": 0.1, "id": 12, "source": "12.png"}
    assert section["remarks"] == ["transparency laid on white"]


def test_an_answer_looks_at_as_many_neighbours_as_vote_and_as_its_probability_needs() -> None:
    assert depth_of(1, 1000) == 50
    assert depth_of(99, 1000) == 99
    assert depth_of(9, 20) == 20


def test_shares_and_distances_are_said_without_false_certainty() -> None:
    assert [percent(value) for value in (0, 0.00001, 0.0123, 0.5, 0.987, 0.9991, 1)] == ["0 %", "<0.01 %", "1.23 %", "50 %", "99 %", ">99.9 %", "100 %"]
    assert [shown(value) for value in (1234.5, 0.5, 2e-6, 1e-9, -1e-8, 0.0)] == ["1234", "0.500", "0.00000200", "0", "0", "0"]
