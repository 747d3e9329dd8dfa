"""Presets are those of the page, switches change them, and what cannot work is refused in words."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from nearkin.core import InputError, InputTypeError
from nearkin.generation import (
    GENERATION,
    PRESETS,
    Adversarial,
    GenerationSettings,
    Segment,
    make_generation,
    make_settings,
)
from nearkin.losses import NPair, Triplet


def test_every_switch_is_a_keyword_of_the_loss_and_the_other_way_round() -> None:
    import inspect

    own = {"self", "base", "preset", "dimensions", "hidden", "seed"}
    keywords = set(inspect.signature(Adversarial).parameters)
    assert keywords - own == {field.name for field in dataclasses.fields(GenerationSettings)} - own
    changed = Adversarial(lambda2=7.0, generator="plain").settings
    assert (changed.lambda2, changed.generator, changed.lambda1) == (7.0, "plain", 3.0)


def test_the_presets_are_those_of_the_page() -> None:
    daml, dgm, ours = (make_settings(name) for name in PRESETS)
    assert (daml.gradients, daml.squared, daml.factor, daml.margin) == ("joint", True, 0.5, 1.0)
    assert (daml.lambda1, daml.lambda2, daml.metric_weight, daml.w_generated) == (1, 1, 1, 1)
    assert (daml.synthetic_positive, daml.average_negative, daml.generator) == (False, False, "plain-relu")
    assert (daml.normalize_features, daml.normalize_embeddings) == (True, False)
    assert (daml.cnn_rate, daml.generator_rate) == (0.001, 0.1)
    assert (dgm.gradients, dgm.squared, dgm.factor, dgm.margin) == ("three steps", False, 1.0, 0.1)
    assert (dgm.lambda1, dgm.lambda1_positive, dgm.lambda2, dgm.metric_weight, dgm.w_generated) == (1, 1, 50, 100, 1)
    assert (dgm.synthetic_positive, dgm.average_positive, dgm.average_negative) == (True, True, True)
    assert (dgm.normalize_features, dgm.normalize_embeddings, dgm.generator) == (False, True, "plain")
    assert (dgm.cnn_rate, dgm.generator_rate, dgm.adversarial_positive) == (0, 1, "real")
    assert (ours.gradients, ours.squared, ours.factor, ours.margin) == ("three steps", True, 1.0, 0.2)
    assert (ours.lambda1, ours.lambda1_positive, ours.lambda2, ours.metric_weight, ours.w_generated) == (
        3,
        3,
        1,
        1,
        0.5,
    )
    assert (ours.synthetic_positive, ours.generator, ours.normalize_embeddings) == (False, "residual", True)


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"squared": False, "lambda1": 0.9}, "best answer for lambda1 below 1 is the anchor itself, got 0.9"),
        ({"squared": False, "synthetic_positive": True, "lambda1_positive": 0.5}, "for lambda1_positive below 1"),
        ({"adversarial_positive": "synthetic"}, "needs synthetic_positive=True"),
        ({"average_positive": True}, "needs synthetic_positive=True"),
        ({"generator": "segment", "synthetic_positive": True}, "reads no positive"),
        ({"generator": "segmnt"}, "did you mean 'segment'"),
        ({"gradients": "both"}, "gradients must be one of 'three steps', 'joint'"),
        ({"w_generated": 1.5}, "w_generated must be a number from 0 to 1, got 1.5"),
        ({"margin": 0.0}, "margin must be a finite number above 0"),
        ({"lambda2": -1.0}, "lambda2 must be a finite number of at least 0"),
        ({"cnn_rate": float("nan")}, "cnn_rate must be"),
        ({"generator_rate": 0.0}, "generator_rate must be"),
        ({"max_generated": 0}, "max_generated must be a whole number of at least 1"),
        ({"adversarial_margin_sign": 0}, "adversarial_margin_sign must be -1 or 1"),
        ({"squared": 1}, "squared must be true or false, got 1"),
        ({"pretraining_on": "images"}, "pretraining_on must be one of"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(switches, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Adversarial(**switches)


def test_unknown_names_and_other_bases_are_refused() -> None:
    with pytest.raises(InputError, match="preset must be one of .*did you mean 'nearkin'"):
        Adversarial(preset="nearkn")
    with pytest.raises(TypeError, match="lambda3"):
        Adversarial(lambda3=1.0)
    for make in (Adversarial, Segment):
        with pytest.raises(InputTypeError, match="base must be a loss of rows such as Triplet"):
            make(nn.Linear(1, 1))


def test_unsquared_settings_that_cannot_collapse_are_taken() -> None:
    assert make_settings(squared=False, lambda1=1.0).lambda1 == 1.0
    assert make_settings(squared=False, lambda1=0.2, generator="segment").lambda1 == 0.2


def test_methods_by_name_with_a_base_by_name() -> None:
    made = make_generation("adversarial", {"name": "triplet", "margin": 0.4}, preset="dgm", lambda2=3.0)
    assert (made.base.margin, made.preset, made.settings.lambda2) == (0.4, "dgm", 3.0)
    assert isinstance(make_generation("symmetrical-synthesis", "n-pair").base, NPair)
    assert make_generation("embedding-expansion", Triplet(), points=4).points == 4
    assert {name for name, entry in GENERATION.items() if entry.learned} == {"adversarial"}
    with pytest.raises(InputError, match="unknown generation 'segmnt'.*'segment'"):
        make_generation("segmnt", Triplet())
    with pytest.raises(InputError, match="base must have the name of a loss"):
        make_generation("segment", {"margin": 1.0})


def test_the_loss_tells_every_setting() -> None:
    words = repr(Adversarial(NPair(), preset="dgm"))
    for field in dataclasses.fields(GenerationSettings):
        assert f"{field.name}=" in words
    assert "NPair(" in words
    assert "preset='dgm'" in words


def test_the_base_of_a_preset_is_its_own_triplet_loss() -> None:
    assert Adversarial().base.margin == 0.2
    assert Adversarial(preset="daml").base.margin == 1.0
    assert type(Adversarial().distance).__name__ == "SquaredEuclidean"
    assert type(Adversarial(preset="dgm").distance).__name__ == "Euclidean"


def test_weights_are_made_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    one, two, other = (Adversarial(synthetic_positive=True, dimensions=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    states = [torch.cat([p.flatten() for p in loss.parameters()]) for loss in (one, two, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    weights = dict(one.named_parameters())
    assert not torch.equal(weights["negative_generator.inner.weight"], weights["positive_generator.inner.weight"])


def test_a_loss_made_for_another_size_says_so() -> None:
    loss = Adversarial(dimensions=4)
    loss.build(4)
    with pytest.raises(InputError, match="made for 4 dimensions, the features have 5"):
        loss.network(nn.Linear(2, 5), 5)
