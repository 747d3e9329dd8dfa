"""Galleries of 100,000 and of 1,000,000 images: how long they take to build, to open and to answer, and what recall is.

The images are all of Omniglot and MNIST, and beyond their 102,460 copies of them that were turned (up to 12 degrees), scaled
(up to 10 %) and shifted (up to 6 %), each one embedded; nothing is drawn from a mixture. The embedding is the library's default
one, which needs no training, or the pixels at 28 x 28; its rows are cut to `--width` numbers by principal components of 20,000
of the originals and stretched to length 1. Questions are further such copies, none of them enrolled.

    python benchmarks/studies/gallery_scale.py --sizes 100000 1000000

Needs NEARKIN_DATA with both sets, and faiss for the index. On one core a million images take about six minutes to embed, their
pixels (`--embedding pixels`) one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nearkin.data import load_images
from nearkin.data.opening import image_hash
from nearkin.decision import Space, nearest
from nearkin.decision.nearest import References
from nearkin.embedding.descriptor import SIDE, describe
from nearkin.gallery import Entry, Store

Rows = NDArray[np.float32]
BATCH = 64
ADDED = 10_000
DEPTH = 10


@dataclass
class Originals:
    """Images of both sets with their labels, in an order drawn by seed, and their thumbnails."""

    images: list[Image.Image]
    labels: list[str]
    thumbnails: list[bytes]


def originals(seed: int) -> Originals:
    images, labels = [], []
    for name in ("omniglot", "mnist"):
        found = load_images(name)
        low, high = float(found.pixels.min()), float(found.pixels.max())
        grey = ((found.pixels[:, 0].astype(np.float32) - low) * (255 / (high - low))).astype(np.uint8)
        images += [Image.fromarray(each) for each in grey]
        labels += [f"{name} {found.classes[label]}" for label in found.labels]
    order = np.random.default_rng(seed).permutation(len(images))
    shuffled = [images[place] for place in order]
    return Originals(shuffled, [labels[place] for place in order], [thumbnail(each) for each in shuffled])


def thumbnail(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.resize((32, 32), Image.Resampling.BILINEAR).save(buffer, "PNG")
    return buffer.getvalue()


def seen(image: Image.Image, side: int, draw: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
    """The image at the size of the embedding, (side, side); turned, scaled and shifted by four numbers in [-1, 1]."""
    turn, grow, right, down = np.zeros(4) if draw is None else draw
    angle, per = np.deg2rad(12 * turn), image.width / side / (1 + 0.1 * grow)
    cosine, sine, middle = np.cos(angle) * per, np.sin(angle) * per, side / 2
    across, along = image.width * (0.5 + 0.06 * right), image.height * (0.5 + 0.06 * down)
    matrix = (cosine, sine, across - middle * (cosine + sine), -sine, cosine, along - middle * (cosine - sine))
    edge = image.getpixel((0, 0))
    return np.asarray(
        image.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=edge)
    )


def described(pictures: NDArray[np.uint8]) -> Rows:
    return describe(np.repeat(pictures[:, None].astype(np.float32) / 255, 3, axis=1))


def pixels(pictures: NDArray[np.uint8]) -> Rows:
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255


EMBEDDINGS = {"descriptor": (SIDE, described), "pixels": (28, pixels)}


class Cut:
    """An embedding whose rows are cut to their first principal components on some originals."""

    def __init__(self, source: Originals, name: str, width: int) -> None:
        self.side, self.embed = EMBEDDINGS[name]
        pictures = np.stack([seen(each, self.side) for each in source.images[:20_000]])
        rows = np.concatenate([self.embed(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)])
        self.mean = rows.mean(0)
        self.axes = np.linalg.eigh(np.cov(rows - self.mean, rowvar=False))[1][:, ::-1][:, :width].astype(np.float32)

    def __call__(self, pictures: NDArray[np.uint8]) -> Rows:
        cut = (self.embed(pictures) - self.mean) @ self.axes
        return np.ascontiguousarray(cut / np.linalg.norm(cut, axis=1, keepdims=True), dtype=np.float32)


def copies(source: Originals, first: int, count: int, cut: Cut, seed: int) -> Iterator[tuple[int, list[str], Rows]]:
    """(place of the first, hashes, rows) in batches; the first round of all originals is left as it is."""
    total = len(source.images)
    for start in range(first, first + count, BATCH):
        draws = np.random.default_rng((seed, start)).uniform(-1, 1, (BATCH, 4))
        places = range(start, min(start + BATCH, first + count))
        pictures = np.stack(
            [
                seen(source.images[place % total], cut.side, draw if place >= total else None)
                for place, draw in zip(places, draws, strict=False)
            ]
        )
        yield start, [image_hash(each) for each in pictures], cut(pictures)


def embedded(source: Originals, count: int, cut: Cut, seed: int, file: Path) -> tuple[list[str], Rows]:
    """Hashes and rows of the first `count` images; kept in `file`, which is extended where it holds fewer."""
    hashes, rows = [], np.empty((0, cut.axes.shape[1]), np.float32)
    if file.exists():
        with np.load(file) as kept:
            hashes, rows = kept["hashes"].tolist(), kept["rows"]
    found = [rows]
    for start, more, part in copies(source, len(rows), max(0, count - len(rows)), cut, seed):
        hashes += more
        found.append(part)
        if start // BATCH % 500 == 0:
            print(f"  embedded {start + len(part):,} of {count:,}", file=sys.stderr, flush=True)
    rows = np.concatenate(found)
    if len(found) > 1:
        np.savez(file, hashes=np.array(hashes), rows=rows)
    return hashes[:count], rows[:count]


def questions(source: Originals, count: int, cut: Cut, seed: int) -> Rows:
    """Copies that are not enrolled."""
    return np.concatenate([rows for _, _, rows in copies(source, len(source.images), count, cut, seed + 1)])


def timed(action: Any, queries: Rows) -> str:
    """Median and 95th percentile of single questions, after 3 to warm up; processor time tells how busy the machine was."""
    seconds, busy = [], []
    for place in range(len(queries)):
        start, used = time.perf_counter(), time.process_time()
        action(queries[place : place + 1])
        seconds.append(1e3 * (time.perf_counter() - start))
        busy.append(1e3 * (time.process_time() - used))
    middle, tail = np.median(seconds[3:]), np.quantile(seconds[3:], 0.95)
    return f"median {middle:.1f} ms, 95th percentile {tail:.1f} ms ({np.median(busy[3:]):.1f} ms of processor time)"


OPENING = """
import json, sys, time
import numpy as np
from nearkin.gallery import Store
query = np.load(sys.argv[2])
start = time.perf_counter()
store = Store.open(sys.argv[1])
opened = time.perf_counter() - start
found = store.search(query, 10)
print(json.dumps([opened, time.perf_counter() - start, bool(found.exact), len(found.snapshot.enrolled)]))
"""


def opening(folder: Path, query: Rows) -> tuple[float, float, bool, int]:
    """Seconds to open and to the first answer in a fresh process, imports not counted."""
    np.save(folder.parent / "query.npy", query)
    words = [sys.executable, "-c", OPENING, str(folder), str(folder.parent / "query.npy")]
    opened, answered, exact, count = json.loads(
        subprocess.run(words, capture_output=True, check=True, text=True).stdout
    )
    return opened, answered, exact, count


def size_of(folder: Path) -> str:
    return f"{sum(each.stat().st_size for each in folder.rglob('*') if each.is_file()) / 1e6:,.0f} MB"


def entries(source: Originals, hashes: list[str], rows: Rows, places: range) -> Iterator[Entry]:
    total = len(source.images)
    for place in places:
        of = place % total
        yield Entry(hashes[place], source.labels[of], rows[place], source.thumbnails[of], f"{place}.png", SIDE, SIDE)


def build(source: Originals, hashes: list[str], rows: Rows, folder: Path) -> None:
    """Enrol the images, and print what it took."""
    store = Store.create(folder, dimension=rows.shape[1], space=Space("euclidean"), fingerprint="a study")
    start = time.perf_counter()
    changes = [
        store.add(entries(source, hashes, rows, range(first, min(first + ADDED, len(rows)))))
        for first in range(0, len(rows), ADDED)
    ]
    seconds = time.perf_counter() - start
    added, same = sum(each.added for each in changes), sum(each.unchanged for each in changes)
    print(
        f"added in {len(changes)} revisions: {seconds:.1f} s, {added / seconds:,.0f} a second, {size_of(folder)} on disk"
    )
    print(
        f"  {added:,} enrolled; {same:,} are the same image under the same label, {len(rows) - added - same:,} under two"
    )
    start = time.perf_counter()
    store.snapshot()
    print(f"vectors' file made: {time.perf_counter() - start:.1f} s")


def index(folder: Path) -> None:
    """Build the index where one is due, and print what it took."""
    store = Store.open(folder, write=True)
    if not store.index_is_due():
        print("no index: exact search is quick enough at this size")
        return
    start = time.perf_counter()
    recall = store.build_index()
    print(f"index built and measured: {time.perf_counter() - start:.1f} s; {recall}")


def ask(folder: Path, queries: Rows) -> None:
    """Open and search, and print what it took."""
    say_opening(folder, queries)
    store = Store.open(folder)
    print(f"exact search: {timed(lambda query: store.search(query, DEPTH, exact=True), queries[:200])}")
    if store.recall():
        print(f"search by the index: {timed(lambda query: store.search(query, DEPTH), queries)}")
        print(f"recall@{DEPTH} of {len(queries)} questions that are not enrolled: {recall_of(store, queries)}")
    rows = store.vectors()
    for count in (100_000, 200_000, 300_000, 500_000):
        if count < len(rows):
            part = References(rows[:count])
            print(
                f"  exact, {count:,} rows in memory: {timed(lambda q, p=part: nearest(Space(), q, p, DEPTH), queries[:60])}"
            )


def say_opening(folder: Path, queries: Rows) -> None:
    opened, answered, exact, count = opening(folder, queries[:1])
    how = "exact" if exact else "by the index"
    print(f"fresh process: opened in {opened:.2f} s, first answer ({how}) of {count:,} after {answered:.2f} s")


def recall_of(store: Store, queries: Rows) -> str:
    found, exact = store.search(queries, DEPTH), store.search(queries, DEPTH, exact=True)
    shares = (found.distances <= exact.distances[:, -1:]).mean(1)  # ties count
    return f"mean {shares.mean():.4f}, 5th percentile {np.quantile(shares, 0.05, method='lower'):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--embedding", choices=sorted(EMBEDDINGS), default="descriptor")
    parser.add_argument("--width", type=int, default=128, help="dimensions that are kept")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embeddings", type=Path, help="a file (.npz) to keep embeddings in, and to take them from")
    chosen = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}, "
          f"load {os.getloadavg()[0]:.1f}, numpy {np.__version__}")  # fmt: skip
    source = originals(chosen.seed)
    start = time.perf_counter()
    cut = Cut(source, chosen.embedding, chosen.width)
    with tempfile.TemporaryDirectory() as place:
        file = chosen.embeddings or Path(place) / "embeddings.npz"
        hashes, rows = embedded(source, max(chosen.sizes), cut, chosen.seed, file)
        queries = questions(source, chosen.queries, cut, chosen.seed)
        print(f"{len(source.images):,} originals, {len(rows):,} images embedded in {time.perf_counter() - start:.0f} s")
        for size in chosen.sizes:
            folder = Path(place) / f"gallery-{size}"
            print(f"\n{size:,} images, {chosen.width} dimensions")
            build(source, hashes[:size], rows[:size], folder)
            index(folder)
            ask(folder, queries)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
