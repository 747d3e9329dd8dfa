"""Standardised pixels: the numbers of the chosen images alone, in blocks equal to at once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from data.sets import image_set
from nearkin.core import InputError
from nearkin.data import Standardisation, standardising


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_mean_and_deviation_are_those_of_the_chosen_images(monkeypatch, block):
    monkeypatch.setattr(standardising, "_BLOCK", block)
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 3, 5, 4), dtype=np.uint16)
    images = replace(image_set(np.zeros(20, int), pixels=pixels), value_range=(10.0, 5000.0))
    chosen = [3, 5, 6, 11]
    exact = (pixels[chosen].astype(float) - 10) / 4990
    fitted = Standardisation.of(images, chosen)
    np.testing.assert_allclose(fitted.mean, exact.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(fitted.deviation, exact.std((0, 2, 3)), rtol=1e-6)
    standard = fitted(images.scaled(chosen))
    assert standard.dtype == np.float32
    np.testing.assert_allclose(standard.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std((0, 2, 3)), 1, atol=1e-5)


def test_a_flat_channel_becomes_zero():
    images = image_set([0, 1], pixels=np.full((2, 1, 3, 3), 77, np.uint8))
    assert (abs(Standardisation.of(images, [0, 1])(images.scaled())) < 1e-6).all()


def test_the_numbers_survive_json():
    fitted = Standardisation.of(image_set([0, 1]), [0, 1])
    assert Standardisation.from_dict(json.loads(json.dumps(fitted.as_dict()))) == fitted


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="no images"):
        Standardisation.of(image_set([0, 1]), [])
    with pytest.raises(InputError, match="for 1 channels, the images have 3"):
        Standardisation((0.0,), (1.0,))(np.zeros((2, 3, 4, 4), np.float32))
