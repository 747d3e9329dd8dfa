"""A recipe from a few words: what is said of the images holds for the images that are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.commands import folder_of_digits
from nearkin.comparison import check_recipe
from nearkin.comparison.from_images import recipe_from_images
from nearkin.core import InputError
from nearkin.data import ImageSet, load_images


def made(source: Path, *changes: str, **words: Any) -> tuple[dict[str, Any], ImageSet]:
    """The recipe of a triplet loss on `source`."""
    return recipe_from_images(str(source), losses=["triplet"], name="study", changes=changes, **words)


def test_a_change_of_the_data_holds_for_the_images_that_are_compared(tmp_path: Path) -> None:
    photos = folder_of_digits(tmp_path / "photos")
    changes = ("data.channels=3", "data.value_range=[0, 240]", "data.limit_per_class=6", "data.size=[4, 5]")
    section, images = made(photos, *changes)
    options = dict(check_recipe(section).data)
    again = load_images(options.pop("name"), **options)
    assert images.image_shape == again.image_shape == (3, 4, 5)
    assert images.value_range == again.value_range == (0, 240)
    assert len(images) == 60
    assert images.data_hash == again.data_hash


def test_a_size_that_was_chosen_stands_in_the_recipe(tmp_path: Path) -> None:
    photos = folder_of_digits(tmp_path / "photos")
    assert made(photos, "data.size=null")[0]["data"]["size"] is None
    assert made(photos, size=(70, 70))[0]["data"]["size"] == [70, 70]


def test_shares_of_the_split_decide_the_batches(tmp_path: Path) -> None:
    photos = folder_of_digits(tmp_path / "photos")
    assert made(photos)[0]["training"]["images_per_class"] == 7
    section, _ = made(photos, "split.test_share=0.6", "training.steps=9")
    assert section["training"]["images_per_class"] == 3
    recipe = check_recipe(section)
    assert recipe.split["test_share"] == 0.6
    assert recipe.training["steps"] == 9
    with pytest.raises(InputError, match="leave too little to train on"):
        made(photos, "split.test_share=0.6", "split.validation_share=0.5")


def test_every_reason_against_a_protocol_has_a_line_of_its_own(tmp_path: Path) -> None:
    photos = folder_of_digits(tmp_path / "photos", each=1)
    with pytest.raises(InputError, match="can be split by no protocol") as caught:
        made(photos)
    first, second = str(caught.value).splitlines()[1:]
    assert first.startswith("  closed-set needs at least 3")
    assert second.startswith("  class-disjoint: ")


def test_a_mistake_in_a_change_of_the_data_is_said(tmp_path: Path) -> None:
    photos = folder_of_digits(tmp_path / "photos")
    with pytest.raises(InputError, match="unknown key 'chanels'; did you mean 'channels'"):
        made(photos, "data.chanels=1")


def test_the_first_image_of_every_class_may_be_bad_where_bad_images_are_skipped(tmp_path: Path) -> None:
    photos = folder_of_digits(tmp_path / "photos")
    for folder in photos.iterdir():
        (folder / "0.png").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be opened as an image"):
        made(photos)
    section, images = made(photos, skip_bad=True)
    assert images.image_shape == (1, 8, 8)
    assert section["data"]["size"] is None
    assert "skipped" in " ".join(images.notes)
