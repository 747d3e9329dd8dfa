"""CSV tables of images: cells are literal, paths relative to the table, mistakes named by line."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nearkin.core import InputError
from nearkin.data import load_images, make_split


@pytest.fixture
def table(tmp_path):
    """Writes a CSV beside six images 0.png ... 5.png of different shades."""
    (tmp_path / "pictures").mkdir()
    for shade in range(6):
        Image.fromarray(np.full((3, 3), shade * 40, np.uint8)).save(tmp_path / "pictures" / f"{shade}.png")

    def write(text: str, encoding: str = "utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def rows(*labels: str, columns: str = "path,label") -> str:
    return columns + "\n" + "".join(f"pictures/{number}.png,{label}\n" for number, label in enumerate(labels))


def test_labels_are_literal_text(table):
    labels = ["007", "7", "NaN", "=1+1", "<script>", '"../x, y"']
    images = load_images(table(rows(*labels)))
    assert [images.classes[label] for label in images.labels] == ["007", "7", "NaN", "=1+1", "<script>", "../x, y"]
    assert images.image_ids[0] == "pictures/0.png"
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]


def test_split_and_group_columns(table):
    text = "group,path,label,split\n" + "".join(
        f"slide{number // 2},pictures/{number}.png,{'ab'[number % 2]},{'train' if number < 4 else 'test'}\n"
        for number in range(6)
    )
    images = load_images(table(text))
    assert images.group_names == ("slide0", "slide1", "slide2")
    assert images.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert images.split.tolist() == ["train"] * 4 + ["test"] * 2
    split = make_split(images, "official", validation_share=0.5)
    assert split.description["groups"] == {"train": 1, "validation": 1, "test": 1}


def test_query_and_gallery_columns(table):
    text = "path,label,query,gallery\n" + "".join(
        f"pictures/{number}.png,{'ab'[number % 2]},{flags}\n" for number, flags in enumerate(("1,0", "1,", "0,1", ",1", "1,1", "0,0"))
    )
    images = load_images(table(text))
    assert images.queries.tolist() == [True, True, False, False, True, False]
    assert images.gallery.tolist() == [False, False, True, True, True, False]
    chosen = images.take([4, 0])
    assert (chosen.queries.tolist(), chosen.gallery.tolist()) == ([True, True], [True, False])


def test_flags_are_part_of_the_data_and_nothing_without_them(table):
    plain = load_images(table(rows(*"aabb")))
    assert plain.queries is None
    assert plain.gallery is None
    hashes = {plain.data_hash}
    for columns, cells in (("query", "1000"), ("gallery", "1000"), ("query", "0100")):
        hashes.add(load_images(table(rows(*(f"{a},{b}" for a, b in zip("aabb", cells)), columns=f"path,label,{columns}"))).data_hash)
    assert len(hashes) == 4


def test_a_byte_order_mark_blank_lines_and_absolute_paths_are_fine(table, tmp_path):
    text = f"path,label\r\npictures/0.png,a\r\n\r\n{tmp_path}/pictures/1.png,b\r\n"
    assert len(load_images(table(text, "utf-8-sig"))) == 2


def test_other_columns_are_said(table):
    text = rows("a,x", "b,y", columns="path,label,camera")
    assert load_images(table(text)).notes[0] == "columns not used: camera (known: path, label, split, group, query, gallery)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column 'path'; its first line names nothing"),
        (
            "path;label\npictures/0.png;a\n",
            "has no column 'path'; its first line names 'path;label', separated by commas",
        ),
        ("path,labels\npictures/0.png,a\n", "has no column 'label'.*did you mean 'labels'"),
        ("path,label,label\n", "names a column twice"),
        ("path,label\n", "has a header, but no rows"),
        (rows("a", ""), "line 3: the label is empty"),
        ("path,label,group\npictures/0.png,a,\n", "line 2: the group is empty"),
        ("path,label,split\npictures/0.png,a,exam\n", "line 2: the split is 'exam'; it must be train"),
        (rows("a,1", "b,yes", columns="path,label,query"), "line 3: query is 'yes'; it must be 1 or 0"),
        (rows("a", "b,c"), "line 3: 3 cells under 2 column names"),
        (rows("a") + "pictures/../pictures/0.png,b\n", "line 3: .* is listed already in line 2"),
        (rows("a", "a"), "one class only, 'a'"),
        (rows("a", "b") + "nowhere.png,b\n", "line 4: there is no image file .*nowhere.png"),
        ('path,label\n"pictures/0.png,a\n', "line 2: unexpected end of data"),
    ],
)
def test_mistakes_are_named_by_line(table, text, words):
    with pytest.raises(InputError, match=rf"table\.csv.*{words}"):
        load_images(table(text))


def test_text_of_another_encoding_is_refused(table):
    with pytest.raises(InputError, match="is not UTF-8 text"):
        load_images(table(rows("grün", "b"), "latin-1"))


def test_missing_files_can_be_skipped(table):
    images = load_images(table(rows("a", "b") + "nowhere.png,b\n"), skip_bad=True)
    assert len(images) == 2
    assert "skipped 1: " in images.notes[0]
