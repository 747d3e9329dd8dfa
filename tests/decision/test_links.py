"""The numpy form of every distance is the distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nearkin.core import InputError
from nearkin.decision import LINKS, Space
from nearkin.distances import DISTANCES, make_distance

OPTIONS = {
    "cosine": [{}],
    "euclidean": [{}],
    "inner-product": [{}],
    "mahalanobis": [{}],
    "relative-mahalanobis": [{}, {"power": 1}, {"eps": 0.3}],
    "snr": [{}, {"eps": 0.4}],
    "snr-symmetric": [{}, {"form": "max"}, {"form": "pooled", "eps": 0.2}],
    "squared-euclidean": [{}],
}
CASES = [(name, options) for name, all_options in OPTIONS.items() for options in all_options]


def test_every_distance_has_a_link_with_the_same_facts():
    assert set(LINKS) == set(DISTANCES) == set(OPTIONS)
    for name, link in LINKS.items():
        assert (link.order_is_euclidean, link.symmetric) == (DISTANCES[name].order_is_euclidean, DISTANCES[name].symmetric)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_link_is_that_of_the_distance(name, options):
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(9, 6)), rng.normal(size=(7, 6))
    x[0], z[0], z[1] = 0, 0, x[1]
    distance = make_distance(name, **options)
    distance(torch.from_numpy(x))  # learned ones get their shape
    with torch.no_grad():
        wanted = distance(torch.from_numpy(x), torch.from_numpy(z)).numpy()
        anchors, references = (distance.project(torch.from_numpy(rows)).numpy() for rows in (x, z))
    space = Space.from_section(Space(name, options).as_section())
    np.testing.assert_allclose(space.distances(anchors, references), wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(space.paired(anchors[:7], references), np.diag(wanted), rtol=1e-9, atol=1e-12)


def test_unknown_names_and_options_are_told():
    with pytest.raises(InputError, match="did you mean 'cosine'"):
        Space("cosin")
    with pytest.raises(InputError, match="has no option 'form'; its options are eps"):
        Space("snr", {"form": "max"})
