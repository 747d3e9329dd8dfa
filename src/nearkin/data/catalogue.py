"""The data sets known by name: what they are, where they are looked for, and how they are got."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from nearkin.core import InputError
from nearkin.data.digits import read_digits
from nearkin.data.entry import Entry, Places, RemoteFile
from nearkin.data.faces import ARCHIVES, find_faces, read_faces
from nearkin.data.mnist import find_mnist, read_mnist
from nearkin.data.omniglot import find_omniglot, read_omniglot
from nearkin.data.omniglot_one_shot import find_one_shot, read_one_shot
from nearkin.data.photos import PHOTOS

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_OMNIGLOT = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"

CATALOGUE: dict[str, Entry] = {
    "digits": Entry(
        description="scikit-learn's handwritten digits, 8 x 8 grey, values 0 to 16; the embedded default",
        images=1797,
        classes=10,
        shape=(1, 8, 8),
        licence="CC BY 4.0 (UCI Optical Recognition of Handwritten Digits)",
        read=read_digits,
        advice="it comes with scikit-learn",
    ),
    "mnist": Entry(
        description="handwritten digits, 28 x 28 grey, with the official split of 60,000 and 10,000",
        images=70000,
        classes=10,
        shape=(1, 28, 28),
        licence="not stated by its authors",
        read=read_mnist,
        find=find_mnist,
        folders=("mnist", "mnist/raw", "MNIST/raw"),
        contents="the four idx files (train-images-idx3-ubyte, ...), gzipped or not",
        remote=(
            RemoteFile(
                "train-images-idx3-ubyte.gz",
                f"{_MNIST}/train-images-idx3-ubyte.gz",
                "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte.gz",
                f"{_MNIST}/train-labels-idx1-ubyte.gz",
                "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte.gz",
                f"{_MNIST}/t10k-images-idx3-ubyte.gz",
                "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte.gz",
                f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
                "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "omniglot": Entry(
        description="handwritten characters of 50 alphabets, 105 x 105, one bit; the official split shares no class",
        images=32460,
        classes=1623,
        shape=(1, 105, 105),
        licence="MIT (Brenden Lake, 2015)",
        read=read_omniglot,
        find=find_omniglot,
        folders=("omniglot", "omniglot/python", "omniglot-py"),
        contents="images_background and images_evaluation, as zip archives or extracted",
        remote=(
            RemoteFile(
                "images_background.zip",
                f"{_OMNIGLOT}/images_background.zip",
                "md5:68d2efa1b9178cc56df9314c21c6e718",
            ),
            RemoteFile(
                "images_evaluation.zip",
                f"{_OMNIGLOT}/images_evaluation.zip",
                "md5:6b91aef0f799c5bb55b94e3f2daec811",
            ),
        ),
    ),
    "omniglot-one-shot": Entry(
        description="20 runs of 20-way one-shot classification: a drawing to learn each character from, one to name",
        images=800,
        classes=400,
        shape=(1, 105, 105),
        licence="MIT (Brenden Lake, 2015)",
        read=read_one_shot,
        find=find_one_shot,
        folders=("omniglot-one-shot", "omniglot", "omniglot/python/one-shot-classification"),
        contents="all_runs.zip, or the folders run01 to run20 that it holds",
        remote=(
            RemoteFile(
                "all_runs.zip",
                f"{_OMNIGLOT}/one-shot-classification/all_runs.zip",
                "sha256:437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
            ),
        ),
    ),
    "faces": Entry(
        description="the ORL (AT&T) faces, 112 x 92 grey, ten photos of each of 40 people",
        images=400,
        classes=40,
        shape=(1, 112, 92),
        licence="credit to Olivetti Research Laboratory is asked for",
        read=read_faces,
        find=find_faces,
        folders=("faces", "orl_faces", "att_faces"),
        contents=f"{ARCHIVES[0]} or {ARCHIVES[1]}, or the folders s1 to s40",
        advice="its publisher gives no checksum, and altered copies are common, so it is not fetched; "
        "get the AT&T 'Database of Faces' (att_faces.zip, 400 images of 40 people) and put it there",
    ),
    **PHOTOS,
}
"""The data sets by name."""


def data_root() -> Path:
    """The folder of data sets: NEARKIN_DATA where it is set, else `data` in the platform's cache folder."""
    given = os.environ.get("NEARKIN_DATA")
    return Path(given).expanduser() if given else platformdirs.user_cache_path("nearkin") / "data"


def looked_for(name: str, root: Path | None = None) -> tuple[Path, ...]:
    """The folders in which the data set `name` of the catalogue is looked for, in this order."""
    return tuple((root or data_root()) / folder for folder in CATALOGUE[name].folders)


def located(name: str, root: Path | None = None) -> Places | None:
    """The files of the data set `name`, or None where it is not there; () for one that is embedded."""
    find = CATALOGUE[name].find
    if find is None:
        return ()
    for folder in looked_for(name, root):
        places = find(folder)
        if places is not None:
            return places
    return None


def must_be_located(name: str) -> Places:
    """The files of the data set `name`, or an InputError that says where they were looked for and how to get them."""
    places = located(name)
    if places is not None:
        return places
    entry = CATALOGUE[name]
    remedy = f"nearkin data fetch {name}" if entry.remote else entry.advice
    raise InputError(
        f"the data set {name!r} is not here: looked for {entry.contents} in "
        f"{', '.join(map(str, looked_for(name)))}; to get it: {remedy} (NEARKIN_DATA names the folder of data sets)"
        f"{_packed(name)}"
    )


def _packed(name: str) -> str:
    """Words on archives that lie where the data set is looked for, but are not read as they are."""
    found = [path for folder in looked_for(name) for pattern in ("*.tgz", "*.tar", "*.tar.gz") for path in folder.glob(pattern)]
    return f". {', '.join(map(str, found))}: this must be extracted first" if found else ""
