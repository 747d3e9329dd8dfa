"""`grid:` crosses losses with their settings."""

from __future__ import annotations

import pytest

from comparison.studies import recipe
from nearkin.comparison import RecipeError


def names(**grid: object) -> list[str]:
    return [method.name for method in recipe(methods=[], grid=grid).methods]


def test_losses_are_crossed_with_distances() -> None:
    wanted = ["contrastive-euclidean", "contrastive-snr", "triplet-euclidean", "triplet-snr"]
    assert names(loss=["contrastive", "triplet"], distance=["euclidean", "snr"]) == wanted


def test_an_axis_that_a_loss_lacks_leaves_it_as_it_is() -> None:
    assert names(loss=["n-pair", "triplet"], margin=[0.1, 0.2]) == ["n-pair", "triplet-margin-0.1", "triplet-margin-0.2"]


def test_normalisation_is_an_axis_of_the_network() -> None:
    methods = recipe(methods=[], grid={"loss": "triplet", "normalize": [True, False]}).methods
    assert [method.network for method in methods] == [{"normalize": True}, {"normalize": False}]


def test_the_methods_of_a_grid_stand_beside_others() -> None:
    methods = recipe(methods=[{"name": "own", "loss": "n-pair"}], grid={"loss": ["triplet"]}).methods
    assert [method.name for method in methods] == ["own", "triplet"]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"loss": ["tripet"]}, "did you mean 'triplet'"),
        ({"loss": ["triplet"], "margn": [1]}, "grid.margn: no loss of the grid has such a setting"),
        ({"distance": ["snr"]}, "must be a section with loss"),
        ({"loss": ["triplet"], "distance": ["snrr"]}, "did you mean 'snr'"),
        ([], "must be a section with loss"),
    ],
)
def test_a_wrong_grid_says_why(grid: object, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe(methods=[], grid=grid)
