"""Losses made of losses in a recipe: sections within sections, defaults filled in, mistakes with their path."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from comparison.studies import recipe, section
from nearkin.comparison import RecipeError, check_recipe
from nearkin.comparison.fingerprint import PROBE_CLASSES, loss_fingerprint
from nearkin.comparison.loss_parts import nested_losses
from nearkin.comparison.objects import build_loss, check_loss_section
from nearkin.comparison.overrides import entered
from nearkin.comparison.problems import Problems
from nearkin.comparison.tuning import searched, with_settings
from nearkin.comparison.yaml_text import parse_yaml, to_yaml
from nearkin.losses import LOSSES, Center, Foreign, Joint, MemoryBank, NPair, RowLoss, Sum, Triplet

SUM = {"name": "sum", "losses": [{"name": "triplet", "margin": 0.3}, {"name": "n-pair", "weight": 0.5}, "zero-mean"]}
JOINT = {"name": "joint", "metric": {"name": "triplet", "mining": "batch-hard"}, "weight": 0.3}
BANK = {"name": "memory-bank", "loss": {"name": "contrastive", "distance": {"name": "snr", "eps": 1e-6}}, "size": 64}
CENTERS = {"name": "joint", "metric": {"name": "center", "update": "rule"}, "weight": 0.003, "normalize": False}
DEEP = {"name": "sum", "losses": [BANK, {"loss": JOINT, "weight": 2}, {"name": "sum", "losses": ["ddml"]}]}
THEIRS = {"name": "sum", "losses": ["triplet", {"name": "comparison.wild_loss:Pull"}]}
SECTIONS = {"sum": SUM, "joint": JOINT, "memory bank": BANK, "centres": CENTERS, "deep": DEEP, "own": THEIRS}


def checked(loss: Any) -> tuple[Any, list[str]]:
    problems = Problems()
    return check_loss_section(copy.deepcopy(loss), "loss", problems), problems.found


def made(loss: Any, **decided: Any) -> Any:
    resolved, found = checked(loss)
    assert found == []
    return build_loss(resolved, **decided)


def test_a_section_becomes_its_losses() -> None:
    loss = made(SUM)
    assert isinstance(loss, Sum)
    assert [type(member).__name__ for member in loss.losses] == ["Triplet", "NPair", "ZeroMean"]
    assert (loss.weights, loss.losses[0].margin) == ([1.0, 0.5, 1.0], 0.3)
    joint = made(JOINT, classes=7, dimensions=5)
    assert isinstance(joint, Joint) and isinstance(joint.metric, Triplet)
    assert joint.classify(torch.zeros(2, 5)).shape == (2, 7)
    bank = made(BANK, dimensions=5)
    assert isinstance(bank, MemoryBank) and bank.loss.distance.eps == 1e-6
    assert bank.embeddings.shape == (64, 5)
    assert made({"name": "joint"}).metric is None


def test_every_default_is_filled_in_at_every_depth() -> None:
    resolved, _ = checked(SUM)
    assert resolved["losses"][0] == {**checked({"name": "triplet", "margin": 0.3})[0], "weight": 1.0}
    assert resolved["losses"][1]["distance"] == "inner-product"
    deep, _ = checked(DEEP)
    assert deep["losses"][0]["loss"]["margin"] == 1.0
    assert deep["losses"][1] == {"loss": checked(JOINT)[0], "weight": 2.0}
    assert deep["losses"][2]["losses"][0]["threshold"] == 3.0


@pytest.mark.parametrize("name", SECTIONS)
def test_a_checked_section_reads_back_as_itself(name: str) -> None:
    resolved, _ = checked(SECTIONS[name])
    assert checked(resolved)[0] == resolved
    whole = recipe(methods=[{"name": "one", "loss": SECTIONS[name]}])
    assert check_recipe(parse_yaml(to_yaml(whole.as_section()))) == whole


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({"name": "sum"}, "loss.losses: must be a list of losses, each a name or a section with a name, got None"),
        ({"name": "sum", "losses": []}, "loss.losses: must be a list of losses"),
        ({"name": "sum", "losses": ["tripet"]}, "loss.losses.0.name: unknown loss 'tripet'; did you mean 'triplet'?"),
        (
            {"name": "sum", "losses": ["triplet", {"name": "n-pair", "pair": "all"}]},
            "loss.losses.1: unknown key 'pair'; did you mean 'pairs'?",
        ),
        ({"name": "sum", "losses": [3]}, "loss.losses.0: must be a loss's name or a section with a name, got 3"),
        ({"name": "sum", "losses": [{"name": "triplet", "weight": -1}]}, "loss.losses.0: weight must be"),
        ({"name": "sum", "losses": [{"name": "triplet", "weight": "x"}]}, "loss.losses.0: weight must be"),
        ({"name": "sum", "losses": [{**JOINT}]}, "loss.losses.0: 'joint' has a weight of its own; write {loss: {name: joint"),
        ({"name": "sum", "losses": [{"loss": "triplet", "wait": 1}]}, "loss.losses.0: unknown key 'wait'; did you mean 'weight'?"),
        ({"name": "sum", "losses": [{"loss": {"name": "triplet", "margin": "x"}}]}, "loss.losses.0.loss.margin: must be a number"),
        ({"name": "sum", "loses": ["triplet"]}, "loss: unknown key 'loses'; did you mean 'losses'?"),
        ({"name": "memory-bank"}, "loss: loss is missing (a loss: a name, or a section with a name)"),
        ({"name": "memory-bank", "loss": "n-pair"}, "loss: NPair reads N-pair input out of the batch"),
        ({"name": "proxies", "loss": "arcface"}, "loss: proxies are columns of a loss made of rows, got ArcFace"),
        ({"name": "memory-bank", "loss": "center"}, "loss: a memory bank serves a loss made of rows, got Center"),
        ({"name": "memory-bank", "loss": {"name": "triplet", "mining": "hardest"}}, "loss.loss: unknown miner 'hardest'"),
        ({"name": "joint", "metric": {"name": "triplet", "margn": 1}}, "loss.metric: unknown key 'margn'; did you mean 'margin'?"),
        ({"name": "joint", "metric": {"margin": 1}}, "loss.metric: must be a loss's name or a section with a name"),
        ({"name": "joint", "dropout": 2}, "loss: dropout must be a number from 0 to 1"),
        ({"name": "center", "classes": 2.5}, "loss.classes: must be a whole number or nothing (null), got 2.5"),
    ],
)  # fmt: skip
def test_a_mistake_comes_with_its_path(loss: Any, words: str) -> None:
    resolved, found = checked(loss)
    assert resolved is None
    assert any(words in problem for problem in found), found


def test_all_mistakes_of_a_nested_section_are_said_at_once() -> None:
    losses = [{"name": "triplet", "margn": 1}, {"name": "joint", "metric": "tripet"}, {"name": "ddml", "threshold": "x"}]
    with pytest.raises(RecipeError) as caught:
        check_recipe(section(methods=[{"name": "m", "loss": {"name": "sum", "losses": losses}}]))
    assert len(caught.value.problems) == 3
    assert all(problem.startswith(f"methods.m.loss.losses.{i}") for i, problem in enumerate(caught.value.problems))


def test_what_data_decide_reaches_every_part_that_was_not_given_it() -> None:
    given = {"name": "joint", "metric": {"name": "center", "dimensions": 9}, "classes": 11}
    loss = made({"name": "sum", "losses": [{"loss": given}, "contrastive-center"]}, dimensions=4, classes=6, seed=3)
    joint, centers = loss.losses
    assert (joint.classes, joint.dimensions, joint.seed) == (11, 4, 3)
    assert (joint.metric.classes, joint.metric.dimensions) == (6, 9)
    assert (centers.classes, centers.dimensions, centers.seed) == (6, 4, 3)
    assert isinstance(made("center"), Center)  # what is missing is said when the loss is called
    again = made(given, dimensions=4, classes=6, anyway=True)
    assert (again.classes, again.metric.dimensions) == (6, 4)


def test_a_distance_or_miner_without_anything_to_fill_in_stays_a_name() -> None:
    assert type(made({"name": "triplet", "mining": "random", "distance": "snr"}, dimensions=4, classes=2)).__name__ == "Triplet"


@pytest.mark.parametrize("name", LOSSES)
def test_which_parameters_are_losses_is_read_from_the_signature(name: str) -> None:
    wanted = {"sum": {"losses": "list"}, "joint": {"metric": "optional"}, "memory-bank": {"loss": "one"}, "proxies": {"loss": "one"}}
    assert dict(nested_losses(LOSSES[name].make)) == wanted.get(name, {})


@pytest.mark.parametrize("name", SECTIONS)
def test_every_composition_has_a_fingerprint_of_what_it_does(name: str) -> None:
    def fingerprint(loss: Any) -> str:
        return loss_fingerprint(made(loss, dimensions=5, classes=PROBE_CLASSES), 5)

    assert fingerprint(SECTIONS[name]) == fingerprint(SECTIONS[name])
    if name == "sum":
        assert fingerprint(SUM) != fingerprint({**SUM, "losses": SUM["losses"][:2]})
    if name == "joint":
        assert fingerprint(JOINT) != fingerprint({**JOINT, "weight": 0.2})
    if name == "memory bank":  # a memory that forgets is another loss, though its first batch is the same
        assert fingerprint(BANK) != fingerprint({**BANK, "size": 5}) != fingerprint(BANK["loss"])


def test_a_search_within_a_section_leaves_the_method_as_it_was() -> None:
    search = {"loss.losses.0.margin": [0.1, 0.2], "loss.losses.n-pair.weight": [1.0, 2.0]}
    tuning = {"trials": 2, "search": search}
    method = recipe(methods=[{"name": "both", "loss": SUM}], tuning=tuning, baseline="both").methods[0]
    other = with_settings(method, {"loss.losses.0.margin": 0.7, "loss.losses.n-pair.weight": 3.0})
    assert (method.loss["losses"][0]["margin"], method.loss["losses"][1]["weight"]) == (0.3, 0.5)
    assert (other.loss["losses"][0]["margin"], other.loss["losses"][1]["weight"]) == (0.7, 3.0)
    whole = recipe(methods=[{"name": "both", "loss": SUM}], tuning=tuning, baseline="both")
    assert searched(whole.methods[0], whole) == {"loss.losses.0.margin": 0.3, "loss.losses.n-pair.weight": 0.5}
    assert entered([1, 2], "2") is entered({"a": 1}, "b") is entered(3, "a") is entered(["x"], "y") is None


def test_a_change_on_the_command_line_reaches_within() -> None:
    methods = [{"name": "both", "loss": SUM}]
    changed = recipe("methods.both.loss.losses.n-pair.l2=0.02", methods=methods)
    assert changed.methods[0].loss["losses"][1]["l2"] == 0.02


def test_a_loss_of_another_library_is_named_by_its_import_path() -> None:
    pytest.importorskip("pytorch_metric_learning", reason="needs pytorch-metric-learning: nearkin[bench]")
    loss = made({"name": "pytorch_metric_learning.losses:MultiSimilarityLoss", "alpha": 2, "beta": 40})
    assert isinstance(loss, Foreign)
    assert loss.loss.beta == 40
    method = recipe(methods=[{"name": "theirs", "loss": "pytorch_metric_learning.losses:MultiSimilarityLoss"}]).methods[0]
    assert method.evaluation == {"distance": "cosine"}
    assert len(loss_fingerprint(loss, 5)) == 16
    proxies = {"name": "pytorch_metric_learning.losses:ProxyAnchorLoss", "num_classes": 4, "embedding_size": 5}
    assert len(loss_fingerprint(made(proxies), 5)) == 16
    assert "num_classes is missing" in checked({"name": proxies["name"]})[1][0]


@pytest.mark.parametrize(("loss", "distance"), [(SUM, "euclidean"), (JOINT, "cosine"), (BANK, "snr"), (CENTERS, "euclidean")])
def test_a_composition_is_searched_by_the_distance_of_its_losses(loss: Any, distance: str) -> None:
    assert recipe(methods=[{"name": "one", "loss": loss}]).methods[0].evaluation == {"distance": distance}


def test_a_part_of_a_row_loss_is_a_row_loss() -> None:
    assert all(isinstance(member, RowLoss) for member in made({"name": "sum", "losses": ["triplet", "n-pair"]}).losses)
    assert isinstance(made({"name": "sum", "losses": ["n-pair"]}).losses[0], NPair)
