"""`nearkin list` names everything that a recipe may use."""

from __future__ import annotations

import json

import pytest

from cli.commands import nearkin, refused
from nearkin.cli.listing import KINDS
from nearkin.comparison.figures import FIGURES
from nearkin.data import CATALOGUE
from nearkin.data.protocols import PROTOCOLS
from nearkin.distances import DISTANCES
from nearkin.generation import GENERATION
from nearkin.losses import LOSSES
from nearkin.mining import MINERS
from nearkin.networks import BACKBONES


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("losses", {*LOSSES, *GENERATION}),
        ("distances", set(DISTANCES)),
        ("backbones", set(BACKBONES)),
        ("miners", {*MINERS, "all", "semi-hard-set"}),
        ("datasets", set(CATALOGUE)),
        ("recipes", {"adversarial-cub", "auxiliary-caltech", "fewshot-fss1000", "fewshot-omniglot", "omniglot-episodes", "quickstart", "snr-cub", "snr-cub-scratch", "toolkit-mnist"}),
        ("protocols", set(PROTOCOLS)),
        ("figures", set(FIGURES)),
    ],
)
def test_every_name_is_listed_with_what_it_is(kind: str, names: set[str]) -> None:
    found = json.loads(nearkin("list", kind, "--json").stdout)
    assert set(found) == names
    assert all(len(said) > 20 for said in found.values())


def test_wildcards_choose() -> None:
    assert set(json.loads(nearkin("list", "losses", "triplet*", "--json").stdout)) == {"triplet", "triplet-network"}
    assert nearkin("list", "distances", "s*").stdout.splitlines()[0].startswith("snr")


def test_capitals_make_no_difference_to_a_pattern() -> None:
    found = json.loads(nearkin("list", "losses", "TRI*", "--json").stdout)
    assert set(found) == {"triplet", "triplet-network"}
    assert set(json.loads(nearkin("list", "distances", "Snr", "--json").stdout)) == {"snr"}


def test_a_wrong_kind_or_pattern_comes_with_the_nearest() -> None:
    assert "did you mean 'losses'" in refused("list", "loses")
    assert "did you mean 'triplet'" in refused("list", "losses", "tripet")


@pytest.mark.parametrize("kind", KINDS)
def test_what_needs_torch_says_which_extra_brings_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import nearkin.core.optional as optional

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(optional, "import_module", missing)
    if KINDS[kind][0]:
        assert "pip install 'nearkin[train]'" in refused("list", kind)
    else:
        assert nearkin("list", kind).exit_code == 0
