"""A loss of one's own is refused before anything is trained where it cannot be made or cannot train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comparison.studies import recipe, section
from nearkin.comparison import RecipeError, check_recipe, compare
from nearkin.comparison.gradient_check import moves
from nearkin.core import InputError

HERE = "comparison.wild_loss"


def methods(loss: Any) -> list[dict[str, Any]]:
    return [{"name": "siamese", "loss": "contrastive"}, {"name": "own", "loss": loss}]


@pytest.mark.parametrize("name", ["Detached", "Flat", "Leaving"])
def test_a_loss_without_a_gradient_is_refused_before_anything_is_trained(tmp_path: Path, name: str) -> None:
    words = rf"the loss '{HERE}:{name}' gives the embeddings no gradient, so nothing would be trained.*without detach"
    with pytest.raises(InputError, match=words):
        compare(recipe(methods=methods(f"{HERE}:{name}"), seeds=1), tmp_path / "study")
    assert not list(tmp_path.rglob("run.json"))


def test_a_loss_without_a_gradient_is_found_within_another(tmp_path: Path) -> None:
    inside = {"name": "sum", "losses": ["triplet", {"name": f"{HERE}:Flat"}]}
    with pytest.raises(InputError, match=f"the loss '{HERE}:Flat' gives the embeddings no gradient"):
        compare(recipe(methods=methods(inside), seeds=1), tmp_path / "study")


def test_a_loss_that_speaks_of_some_sizes_only_is_not_refused() -> None:
    for name in ("Near", "Pull", "Wild"):
        assert moves({"name": f"{HERE}:{name}"}, 4)


@pytest.mark.parametrize(("name", "asked"), [("plain", "embeddings and labels"), ("bare", "e and l"), ("made", "weight")])
def test_a_function_where_a_class_belongs_is_explained(name: str, asked: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_recipe(section(methods=methods(f"{HERE}:{name}")))
    (said,) = caught.value.problems
    assert said.startswith(f"methods.own.loss.name: '{HERE}:{name}' is a function and asks for {asked}, ")
    assert "A class is expected, or a function that makes a loss" in said


def test_a_function_that_makes_a_loss_is_taken() -> None:
    found = recipe(methods=methods({"name": f"{HERE}:made", "weight": 2.0}))
    assert found.methods[1].loss == {"name": f"{HERE}:made", "weight": 2.0, "scale": 1.0}


def test_a_loss_that_is_made_already_is_refused() -> None:
    with pytest.raises(RecipeError, match="names a Pull that is made already; name its class"):
        check_recipe(section(methods=methods(f"{HERE}:ready")))
