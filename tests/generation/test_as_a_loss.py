"""Methods of the table as losses: a recipe can say them, a fingerprint tells their formulas apart, states are complete."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from nearkin.comparison.fingerprint import loss_fingerprint
from nearkin.comparison.problems import Problems
from nearkin.comparison.signatures import check_section, schema_of
from nearkin.generation import GENERATION, Adversarial, make_generation
from nearkin.losses import NPair, Triplet

LABELS = torch.arange(4).repeat(3)
X = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("name", GENERATION)
def test_every_option_can_be_said_in_a_recipe(name: str) -> None:
    problems = Problems()
    checked = check_section(schema_of(GENERATION[name].make), {}, "loss", problems)
    assert checked is not None and not problems.found
    assert "base" not in checked  # a section of its own
    make_generation(name, Triplet(), **checked)


CHANGES: dict[str, list[dict[str, Any]]] = {
    "adversarial": [
        {}, {"preset": "dgm"}, {"preset": "daml"}, {"lambda1": 2.0, "generator": "plain"}, {"lambda2": 0.5}, {"margin": 0.05},
        {"w_generated": 0.25}, {"factor": 0.25}, {"synthetic_positive": True}, {"generator": "segment"},
        {"generator": "plain"}, {"average_negative": True}, {"squared": False}, {"reduction": "sum"}, {"seed": 1, "generator": "plain"},
    ],
    "segment": [{}, {"t": 0.25}, {"weight": 0.25}],
    "embedding-expansion": [{}, {"points": 3}],
    "symmetrical-synthesis": [{}],
}  # fmt: skip


def test_fingerprints_tell_all_settings_and_bases_apart() -> None:
    assert set(CHANGES) == set(GENERATION)
    seen: dict[str, Any] = {}
    for name, several in CHANGES.items():
        for options in several:
            for base in (Triplet(0.3, distance="squared-euclidean"), NPair()):
                made = [loss_fingerprint(make_generation(name, copy.deepcopy(base), **options), 4) for _ in range(2)]
                assert made[0] == made[1]
                assert made[0] not in seen, (name, options, base, seen[made[0]])
                seen[made[0]] = (name, options, base)


@pytest.mark.parametrize("name", GENERATION)
def test_a_second_call_and_a_state_dict_give_the_same_value(name: str) -> None:
    loss = make_generation(name, Triplet())
    values = [loss(X, LABELS, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    again = make_generation(name, Triplet(), **({"dimensions": 5, "seed": 9} if name == "adversarial" else {})).double()
    again.load_state_dict(loss.state_dict())
    values.append(again(X, LABELS, generator=torch.Generator().manual_seed(3)))
    assert values[0] == values[1] == values[2]
    assert values[0].requires_grad == (name == "adversarial")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_generators_are_of_the_kind_of_what_they_see(dtype: torch.dtype) -> None:
    loss = Adversarial(synthetic_positive=True)
    assert loss(X.to(dtype), LABELS, generator=torch.Generator()).dtype == dtype
    assert {p.dtype for p in loss.parameters()} == {dtype}


def test_random_numbers_come_from_the_generator_that_is_passed() -> None:
    before = torch.get_rng_state()
    loss = make_generation("segment", Triplet())
    values = [float(loss(X, LABELS, generator=torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert torch.equal(torch.get_rng_state(), before)
