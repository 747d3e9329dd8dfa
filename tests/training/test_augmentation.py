"""Images are augmented a batch at a time, each by its own draw, and a run stays the same run however it is interrupted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from nearkin.core import InputError
from nearkin.losses import Triplet
from nearkin.training import Augmentation, TrainingPlan, train
from training import setting


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def slowly(images: np.ndarray, settings: Augmentation, draws: np.ndarray) -> np.ndarray:
    """The same, an image and a pixel at a time."""
    changed = np.zeros_like(images)
    for b, (mirrored, down, right, light) in enumerate(draws):
        top, left = (int(draw * (2 * settings.crop + 1)) - settings.crop for draw in (down, right))
        height, width = images.shape[2:]
        for i in range(height):
            for j in range(width):
                row, column = i + top, (width - 1 - j if settings.flip and mirrored < 0.5 else j) + left
                if 0 <= row < height and 0 <= column < width:
                    changed[b, :, i, j] = images[b, :, row, column]
        if settings.brightness:
            changed[b] = np.clip(changed[b] + np.float32((2 * light - 1) * settings.brightness), 0, 1)
    return changed


@pytest.mark.parametrize(
    "options",
    [{}, {"flip": True}, {"crop": 3}, {"crop": 9}, {"brightness": 0.4}, {"flip": True, "crop": 2, "brightness": 0.2}],
)
@pytest.mark.parametrize("shape", [(7, 1, 5, 8), (4, 3, 6, 6), (0, 1, 4, 4)])
def test_a_batch_at_once_is_what_each_image_is_for_itself(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    images, settings = torch.rand(shape, generator=stream(1)), Augmentation(**options)
    before = images.clone()
    draws = torch.rand(shape[0], 4, generator=stream(5), dtype=torch.float64).numpy()
    found = settings(images, stream(5))
    np.testing.assert_array_equal(found.numpy(), slowly(images.numpy(), settings, draws))
    assert found.dtype == torch.float32
    assert torch.equal(images, before)


def test_every_shift_and_both_sides_come_up_as_often() -> None:
    dot = torch.zeros(9000, 1, 5, 5)
    dot[:, :, 2, 2] = 1
    found = Augmentation(crop=1)(dot, stream()).sum((0, 1))
    assert found.count_nonzero() == 9
    assert found[1:4, 1:4].min() > 900
    left = torch.zeros(9000, 1, 1, 2)
    left[..., 0] = 1
    assert 0.48 < Augmentation(flip=True)(left, stream())[..., 1].mean().item() < 0.52


def test_an_option_does_not_move_what_another_draws() -> None:
    images = torch.rand(20, 1, 6, 6, generator=stream(2))
    both, alone = Augmentation(flip=True, crop=2)(images, stream(3)), Augmentation(crop=2)(images, stream(3))
    assert all(torch.equal(one, other) or torch.equal(one, other.flip(-1)) for one, other in zip(both, alone))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"crop": -1}, "crop"), ({"crop": 1.5}, "crop"), ({"flip": 1}, "flip"), ({"brightness": 2}, "0..1"), ({"brightness": -0.1}, "brightness")],
)  # fmt: skip
def test_settings_out_of_range_are_refused_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) if "flip" not in options else pytest.raises(TypeError, match=words):
        setting.plan(augmentation=options)


def test_features_are_no_images() -> None:
    with pytest.raises(InputError, match="Features of a frozen backbone"):
        Augmentation(flip=True)(torch.zeros(4, 9), stream())


def test_a_plan_takes_the_settings_too_and_says_nothing_where_there_is_none() -> None:
    plan = setting.plan(augmentation={"flip": True, "crop": 1})
    assert plan == setting.plan(augmentation=Augmentation(flip=True, crop=1))
    assert json.loads(json.dumps(plan.settings()))["augmentation"] == {"flip": True, "crop": 1, "brightness": 0.0}
    assert "augmentation" not in setting.plan().settings()  # as in runs that were begun before there was one
    with pytest.raises(TypeError, match="augmentation"):
        setting.plan(augmentation="flip")


def trained(plan: TrainingPlan, **options: Any) -> tuple[dict[str, bytes], Any]:
    network, loss = setting.network(), Triplet()
    history = train(network, loss, setting.images, setting.labels, plan, **options)
    return setting.bits(network), history


def test_a_run_is_augmented_by_its_seed_and_goes_on_with_the_same_bits(tmp_path) -> None:
    plan = setting.plan(augmentation={"flip": True, "crop": 1, "brightness": 0.1}, steps=9)
    whole, history = trained(plan)
    assert whole != trained(setting.plan(steps=9))[0]

    def stop(report: Any) -> None:
        if report.step == 4:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        trained(plan, folder=tmp_path, checkpoint_seconds=0, on_step=stop)
    again, resumed = trained(plan, folder=tmp_path)
    assert again == whole
    np.testing.assert_array_equal(resumed.curves["loss"], history.curves["loss"])
    other = setting.plan(augmentation={"flip": True}, steps=9)
    with pytest.raises(InputError, match="augmentation was"):
        trained(other, folder=tmp_path)


def turned_slowly(image: np.ndarray, angle: float, factor: float, background: float) -> np.ndarray:
    """One channel turned and scaled about its centre, a pixel at a time, the four pixels around its source weighted."""
    height, width = image.shape
    found = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            down, right = i - (height - 1) / 2, j - (width - 1) / 2
            row = (np.cos(angle) * down - np.sin(angle) * right) / factor + (height - 1) / 2
            column = (np.sin(angle) * down + np.cos(angle) * right) / factor + (width - 1) / 2
            for r in (int(np.floor(row)), int(np.floor(row)) + 1):
                for c in (int(np.floor(column)), int(np.floor(column)) + 1):
                    there = 0 <= r < height and 0 <= c < width
                    weight = (1 - abs(row - r)) * (1 - abs(column - c))
                    found[i, j] += weight * (image[r, c] if there else background)
    return found


@pytest.mark.parametrize("options", [{"rotate": 30.0}, {"scale": 0.4}, {"rotate": 90.0, "scale": 0.2, "background": 1.0}])
def test_images_are_turned_and_scaled_about_their_centres_whatever_their_shape(options: dict[str, Any]) -> None:
    images, settings = torch.rand((5, 2, 6, 9), generator=stream(1)), Augmentation(**options)
    drawing = stream(5)
    torch.rand(5, 4, generator=drawing, dtype=torch.float64)
    amounts = 2 * torch.rand(5, 2, generator=drawing, dtype=torch.float64).numpy() - 1
    found = settings(images, stream(5)).numpy()
    for image, changed, (turn, size) in zip(images.numpy(), found, amounts, strict=True):
        angle, factor = np.radians(settings.rotate) * turn, (1 + settings.scale) ** size
        for channel, made in zip(image, changed, strict=True):
            np.testing.assert_allclose(made, turned_slowly(channel, angle, factor, settings.background), atol=2e-6)


def test_turning_moves_no_other_draw_and_a_shift_uncovers_the_background() -> None:
    images = torch.rand((6, 1, 5, 5), generator=stream(1))
    plain = Augmentation(flip=True, crop=2, brightness=0.3)
    tiny = Augmentation(flip=True, crop=2, brightness=0.3, rotate=1e-9)
    torch.testing.assert_close(tiny(images, stream(5)), plain(images, stream(5)), atol=1e-6, rtol=0)
    white = torch.ones((64, 1, 5, 5))
    assert torch.equal(Augmentation(crop=3, background=1.0)(white, stream(2)), white)
    assert Augmentation(crop=3)(white, stream(2)).min() == 0


@pytest.mark.parametrize("settings", [{"rotate": 181.0}, {"rotate": -1.0}, {"scale": 5.0}, {"background": 1.5}])
def test_turns_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        Augmentation(**settings)
