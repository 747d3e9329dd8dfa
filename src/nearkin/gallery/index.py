"""An approximate index of a large gallery: faiss's inverted lists of 8-bit vectors, its recall measured when it is built.

It is derived and deletable like the vectors' file, and need not be kept in step: images that came later are scanned
exactly, and images that went are passed over.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearkin.core import need, write_atomically, write_json
from nearkin.decision import Space, nearest
from nearkin.decision.nearest import References
from nearkin.gallery import caching
from nearkin.gallery.connecting import Database
from nearkin.gallery.revisions import last_purge

RECORD = "index.json"
FORMAT = 1

DEPTH = 10
"""Neighbours whose recall is measured."""

QUERIES = 500
"""Enrolled images that ask for their neighbours, themselves left out, when recall is measured. The lists are fitted
without them."""

RECALL = 0.98
RECALL_5TH = 1.0
ENOUGH_5TH, DEAR = 0.9, 8
"""The mean recall, and that of the 5th percentile of queries, up to which more lists are probed; less is enough for the
latter where an eighth of all lists is probed, because more would cost what an exact search does."""

Ids = NDArray[np.int64]
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Recall:
    """What an index is worth: its recall@10 against exact search, and how it was measured."""

    mean: float
    fifth: float
    queries: int
    probes: int
    lists: int
    rows: int
    revision: int
    seed: int


@dataclass(frozen=True)
class _Record:
    gallery: str
    purged: int
    file: str
    sum: int
    recall: dict[str, Any]
    format: int = FORMAT


class Index:
    """An index in memory. `ids` are the images in it, ascending."""

    def __init__(self, lists: Any, ids: Ids, recall: Recall) -> None:
        self._lists, self.ids, self.recall = lists, ids, recall

    def candidates(self, queries: Rows, count: int) -> Ids:
        """Ids of about the `count` nearest images of each query, (A, count); -1 where there are fewer."""
        self._lists.nprobe = self.recall.probes
        found: Ids = self._lists.search(np.ascontiguousarray(queries, np.float32), count)[1]
        return found


def wanted(depth: int) -> int:
    """How many candidates are decided exactly for `depth` neighbours."""
    return max(100, 4 * depth)


def built(
    rows: Rows, ids: Ids, *, revision: int, seed: int = 0, on_progress: Callable[[str], None] | None = None
) -> Index:
    """Build an index of the rows and measure it.

    Recall of a query: the share of its 10 nearest others (ties count) that are found. Probes are doubled from 8 until
    the mean is at least 0.98 and the 5th percentile 1 (0.9 where that takes more than an eighth of the lists), or until
    all lists are probed.

    Errors:  MissingExtra without faiss
    """
    faiss = need("faiss", extra="index", purpose="an approximate index")
    say = on_progress or (lambda _: None)
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.choice(len(rows), min(QUERIES, len(rows)), replace=False))
    lists = max(1, min(1024, len(rows) // 64))
    say(f"fitting {lists:,} lists")
    others = np.setdiff1d(np.arange(len(rows)), asked) if len(rows) > 2 * len(asked) else np.arange(len(rows))
    sample = np.sort(rng.choice(others, min(len(others), 64 * lists), replace=False))
    width = rows.shape[1]
    index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatL2(width), width, lists, faiss.ScalarQuantizer.QT_8bit)
    index.cp.seed = seed % (1 << 31)
    index.train(np.ascontiguousarray(rows[sample]))
    say(f"adding {len(rows):,} images")
    for start in range(0, len(rows), 1 << 16):
        part = slice(start, start + (1 << 16))
        index.add_with_ids(np.ascontiguousarray(rows[part]), np.ascontiguousarray(ids[part]))
    say(f"measuring recall with {len(asked)} queries")
    found = Index(index, ids, Recall(0.0, 0.0, len(asked), 4, lists, len(rows), revision, seed))
    return Index(index, ids, _measured(found, rows, asked))


def _measured(index: Index, rows: Rows, asked: Ids) -> Recall:
    space, references = Space("squared-euclidean"), References(rows)
    depth = max(1, min(DEPTH, len(rows) - 1))
    exact = nearest(
        space, rows[asked], references, depth, query_groups=asked, reference_groups=np.arange(len(rows))
    ).distances
    said = asdict(index.recall)
    while True:
        said["probes"] *= 2
        index.recall = Recall(**said)
        shares = _shares(index, rows, asked, exact)
        said |= {"mean": float(shares.mean()), "fifth": float(np.quantile(shares, 0.05, method="lower"))}
        fifth = RECALL_5TH if DEAR * said["probes"] < said["lists"] else ENOUGH_5TH
        if (said["mean"] >= RECALL and said["fifth"] >= fifth) or said["probes"] >= said["lists"]:
            return Recall(**said)


def _shares(index: Index, rows: Rows, asked: Ids, exact: NDArray[np.float64]) -> NDArray[np.float64]:
    space, depth = Space("squared-euclidean"), exact.shape[1]
    found = index.candidates(rows[asked], wanted(depth) + 1)
    shares = np.empty(len(asked))
    for row, place in enumerate(asked.tolist()):
        places = np.searchsorted(index.ids, found[row][found[row] >= 0])
        distances = np.sort(space.distances(rows[place : place + 1], rows[places[places != place]])[0])[:depth]
        known = exact[row][np.isfinite(exact[row])]
        shares[row] = (distances <= known[-1]).sum() / len(known) if len(known) else 1.0
    return shares


def save(database: Database, gallery: str, purged: int, index: Index) -> None:
    """Keep an index in the cache of its gallery; the old one goes. It is not kept where a purge came in between."""
    faiss = need("faiss", extra="index", purpose="an approximate index")
    content = faiss.serialize_index(index._lists).tobytes()
    with caching.alone(database.folder) as cache:
        with database.reading() as connection:
            if last_purge(connection) != purged:
                return
        name = f"index-{secrets.token_hex(8)}.faiss"
        write_atomically(cache / name, content)
        write_atomically((cache / name).with_suffix(".ids"), index.ids.tobytes())
        total = zlib.crc32(index.ids.tobytes(), zlib.crc32(content))
        write_json(cache / RECORD, asdict(_Record(gallery, purged, name, total, asdict(index.recall))))
        for file in cache.glob("index-*"):
            if file.stem != Path(name).stem:
                file.unlink(missing_ok=True)


def load(folder: Path, gallery: str, purged: int) -> Index | None:
    """The index that is kept; None where there is none, where it is damaged, or where it holds what was purged.

    Errors:  MissingExtra without faiss, where there is one
    """
    cache = folder / caching.FOLDER
    try:
        record = _Record(**json.loads((cache / RECORD).read_bytes()))
        recall = Recall(**record.recall)
        if (record.format, record.gallery, record.purged) != (FORMAT, gallery, purged):
            return None
        content = (cache / record.file).read_bytes()
        ids = (cache / record.file).with_suffix(".ids").read_bytes()
    except (OSError, ValueError, TypeError):
        return None
    if zlib.crc32(ids, zlib.crc32(content)) != record.sum:
        return None
    faiss = need("faiss", extra="index", purpose="an approximate index")
    lists = faiss.deserialize_index(np.frombuffer(content, np.uint8))
    return Index(lists, np.frombuffer(ids, np.int64), recall)


def kept_recall(folder: Path, gallery: str, purged: int) -> Recall | None:
    """What the index that is kept is worth, without loading it."""
    try:
        record = _Record(**json.loads((folder / caching.FOLDER / RECORD).read_bytes()))
        fits = (record.format, record.gallery, record.purged) == (FORMAT, gallery, purged)
        return Recall(**record.recall) if fits else None
    except (OSError, ValueError, TypeError):
        return None
