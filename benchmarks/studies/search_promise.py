"""How often a promised search false-accept rate is kept on fresh classes, and what it costs. Prints the tables of docs/promise.md.

A small network is trained on about half of Omniglot's alphabets. Of the characters of the others some are enrolled, some are
unknown ones that a threshold is calibrated on, some are fresh: the promise is kept if the share of their drawings that get
any name is at most the promised rate. Every redraw deals the characters anew. The rivals of `nearkin.decision.promise` are
written in `search_promise_worlds.py`.

    python benchmarks/studies/search_promise.py
    python benchmarks/studies/search_promise.py --parts faces birds --redraws 400
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from search_promise_worlds import FEW, OURS, RIVALS, thresholds

from nearkin.core import derived_seed
from nearkin.decision.growth import left_out_room
from nearkin.decision.links import Space
from nearkin.decision.nearest import nearest
from nearkin.decision.promise import promise
from nearkin.decision.unknowns import answered, pair_rate

Array = np.ndarray


class Deal(NamedTuple):
    """Distances of one redraw: unknown and fresh (classes, photos), known with whether the answer is right."""

    unknown: Array
    fresh: Array
    known: Array
    right: Array


def deals(near: Array, enrolled: int, unknown: int, fresh: int, photos: int, shots: int, count: int) -> Iterator[Deal]:
    """Redraws from `near` (classes, photos, classes), the distance of a photo to the nearest enrolled one of a class."""
    for number in range(count):
        order = np.random.default_rng(derived_seed(0, "deal", number)).permutation(len(near))
        here, asked, tested = np.split(order[: enrolled + unknown + fresh], [enrolled, enrolled + unknown])
        own = near[here][:, shots:][:, :, here]
        right = own.argmin(2) == np.arange(enrolled)[:, None]
        yield Deal(near[asked][:, :photos][:, :, here].min(2), near[tested][:, :, here].min(2), own.min(2), right)


def kept_table(title: str, dealt: Iterator[Deal], rate: float, names: tuple[str, ...]) -> None:
    """How often each method keeps the rate on fresh classes, and the share of known photos that it names rightly."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number, deal in enumerate(dealt):
        rng = np.random.default_rng(derived_seed(0, "resamples", number))
        for name, limit in thresholds(deal.unknown, rate, len(deal.fresh), rng, names).items():
            found[name].append(((deal.fresh <= limit).mean(), ((deal.known <= limit) & deal.right).mean()))
    print(
        f"\n{title}, promised {rate:.0%}\n\n| bound | kept, % | of the first 100 | share named, % | named rightly, % |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, rows in found.items():
        shares, rightly = np.array(rows).T
        kept = shares <= rate
        print(
            f"| {name} | {100 * kept.mean():.1f} | {kept[:100].sum()} | {100 * shares.mean():.2f} | {100 * rightly.mean():.1f} |",
            flush=True,
        )


def trained(seed: int, steps: int) -> tuple[Array, Array]:
    """Embeddings (classes, 20, D) of the characters of unseen alphabets, by a network trained on the other alphabets."""
    from nearkin.data import load_images
    from nearkin.losses import SupCon
    from nearkin.networks import Network, embed
    from nearkin.training import TrainingPlan, train

    images = load_images("omniglot", size=(28, 28))
    alphabets = np.array([name.partition("/")[0] for name in images.classes])
    taken = np.zeros(len(alphabets), dtype=bool)
    for name in np.random.default_rng(derived_seed(seed, "alphabets")).permutation(np.unique(alphabets)):
        if (taken | (alphabets == name)).sum() <= 850:
            taken |= alphabets == name
    known = taken[images.labels]
    pixels = images.scaled(np.arange(len(images))).astype(np.float32)
    network = Network(28, 28, 1, 128, seed=seed, normalize=True)
    for filters in (24, 48, 96, 128):
        network = network.add_conv(3, 3, 2, 2, filters, batch_norm=True)
    network = network.standardise(float(pixels[known].mean()), float(pixels[known].std()))
    plan = TrainingPlan(
        steps=steps,
        classes_per_batch=32,
        images_per_class=4,
        learning_rate=2e-3,
        schedule="cosine",
        augmentation={"rotate": 10.0, "scale": 0.1, "crop": 2, "background": 1.0},
        seed=seed,
    )
    train(network, SupCon(temperature=0.1), pixels[known], images.labels[known], plan)
    return embed(network, pixels[~known]).astype(np.float32), images.labels[~known]


def by_class(rows: Array, labels: Array, photos: int) -> Array:
    """(classes, photos, D): the same number of photos of each class, in a random order, of unit length."""
    rng = np.random.default_rng(derived_seed(0, "photos"))
    picked = [rng.permutation(np.flatnonzero(labels == name))[:photos] for name in np.unique(labels)]
    rows = rows[np.stack([places for places in picked if len(places) == photos])].astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def nearest_of_classes(rows: Array, shots: int) -> Array:
    """Distances (classes, photos, classes) to the nearest of the first `shots` photos of each class."""
    classes, photos, _ = rows.shape
    enrolled = rows[:, :shots].reshape(classes * shots, -1)
    near = [np.maximum(2 - 2 * own @ enrolled.T, 0).reshape(photos, classes, shots).min(2) ** 0.5 for own in rows]
    return np.stack(near)


def search_itself(rows: Array, rate: float, count: int) -> None:
    """The promise through the gallery's own search, seven votes weighted by distance, and the pair rate beside it."""
    kept, named, rightly, pairs = [], [], [], []
    for number in range(count):
        order = np.random.default_rng(derived_seed(0, "deal", number)).permutation(len(rows))
        here, asked, tested = np.split(order[:750], [300, 450])
        gallery, codes = rows[here][:, :7].reshape(2100, -1), np.repeat(np.arange(300), 7)

        def asks(photos: Array) -> tuple[Array, Array]:
            found = nearest(Space(), photos, gallery, 7)  # noqa: B023
            return answered(found.distances, codes[found.places])  # noqa: B023

        limit = promise(asks(rows[asked].reshape(3000, -1))[1], np.repeat(asked, 20), rate).threshold
        share = (asks(rows[tested].reshape(6000, -1))[1] <= limit).mean()
        winner, distance = asks(rows[here][:, 7:].reshape(3900, -1))
        kept.append(share <= rate)
        named.append(share)
        rightly.append(((distance <= limit) & (winner == np.repeat(np.arange(300), 13))).mean())
        pairs.append(pair_rate(Space(), rows[asked[:20]].reshape(400, -1), gallery, limit).rate)
    print(
        f"\nSeven votes, {OURS}, promised {rate:.0%}: kept in {sum(kept)} of {count}; share named {100 * np.mean(named):.2f} %, "
        f"named rightly {100 * np.mean(rightly):.1f} %; pair false-accept rate at the threshold {np.mean(pairs):.2e}",
        flush=True,
    )


def pairs_against_searches(rows: Array, near: Array) -> None:
    """The share of 300 unknown classes' photos that get a name where one impostor pair in a thousand is accepted."""
    order = np.random.default_rng(derived_seed(4, "deal")).permutation(len(rows))
    tested, rest = order[:300], order[300:]
    asked, gallery = rows[tested[:60], :5].reshape(300, -1), rows[rest][:, :7].reshape(7 * len(rest), -1)
    limit = np.quantile(np.maximum(2 - 2 * asked @ gallery.T, 0) ** 0.5, 0.001)
    print("\n| enrolled classes | unknown photos named at a pair rate of 0.001, % |\n| --- | --- |")
    for enrolled in (10, 50, 150, len(rest)):
        print(f"| {enrolled} | {100 * (near[tested][:, :, rest[:enrolled]].min(2) <= limit).mean():.1f} |", flush=True)


def left_out(rows: Array, near: Array, enrolled: int, rate: float, count: int) -> None:
    """Calibrated on enrolled classes left out in turn, tested on 300 that are not enrolled."""
    found: dict[float, list[float]] = {1.0: [], 0.5: []}
    for number in range(count):
        order = np.random.default_rng(derived_seed(1, "deal", number)).permutation(len(near))
        here, tested = order[:enrolled], order[enrolled : enrolled + 300]
        own = near[here][:, :7][:, :, here].astype(np.float64)
        own[np.arange(enrolled), :, np.arange(enrolled)] = np.inf
        fresh = near[tested][:, :, here].min(2)
        for independent, shares in found.items():
            kept = promise(
                own.min(2).ravel(), np.repeat(here, 7), rate, room=left_out_room(enrolled), independent=independent
            )
            shares.append((fresh <= kept.threshold).mean())
    for independent, shares in found.items():
        print(
            f"| {enrolled} | {rate:.0%} | {independent:g} | {100 * np.mean(np.array(shares) <= rate):.1f} | {100 * np.mean(shares):.2f} |",
            flush=True,
        )


def growth(near: Array, rate: float, count: int) -> None:
    """Calibrated at 150 classes on 150 unknown ones, tested on 300 fresh ones when the gallery has grown."""
    factors = (1.0, 1.05, 1.1, 1.25, 1.5, 2.0)
    shares: dict[tuple[float, float], list[float]] = {}
    for number in range(count):
        order = np.random.default_rng(derived_seed(2, "deal", number)).permutation(len(near))
        asked, tested, rest = order[:150], order[150:450], order[450:]
        unknown = near[asked][:, :, rest[:150]].min(2).ravel()
        limits = {
            "promise": promise(unknown, np.repeat(asked, 20), rate).threshold,
            "quantile": np.quantile(unknown, rate),
        }
        for factor in factors:
            fresh = near[tested][:, :, rest[: round(150 * factor)]].min(2)
            for name, limit in limits.items():
                shares.setdefault((name, factor), []).append((fresh <= limit).mean())
    for factor in factors:
        ours, plain = np.array(shares["promise", factor]), np.array(shares["quantile", factor])
        print(
            f"| {factor:g} | {100 * np.mean(ours <= rate):.1f} | {100 * ours.mean():.2f} | {plain.mean() / rate:.2f} |",
            flush=True,
        )


def omniglot(given: argparse.Namespace) -> None:
    """The tables on drawings."""
    path = given.embeddings
    if path is not None and path.exists():
        kept = np.load(path)
        rows, labels = kept["rows"], kept["labels"]
    else:
        rows, labels = trained(0, given.steps)
        if path is not None:
            np.savez(path, rows=rows, labels=labels)
    drawings = by_class(rows, labels, 20)
    seven, one = nearest_of_classes(drawings, 7), nearest_of_classes(drawings, 1)
    print(f"{len(drawings)} unseen characters, {time.process_time():.0f} s so far")
    pairs_against_searches(drawings, seven)
    title = "300 characters enrolled with 7 drawings, 150 unknown, 300 fresh"
    kept_table(title, deals(seven, 300, 150, 300, 20, 7, given.redraws), 0.05, (*RIVALS, OURS))
    search_itself(drawings, 0.05, min(100, given.redraws))
    print("\n| classes left out | promised | independent | kept, % | share named, % |\n| --- | --- | --- | --- | --- |")
    for enrolled, rate in ((60, 0.10), (100, 0.10), (300, 0.05), (450, 0.05)):
        left_out(drawings, seven, enrolled, rate, given.redraws // 2)
    print("\n| gallery grown to | kept, % | share named, % | share named by a plain quantile, over the rate |")
    print("| --- | --- | --- | --- |")
    growth(seven, 0.05, given.redraws // 2)
    for near, shots, enrolled, unknown, fresh, photos, rate in (
        (one, 1, 300, 150, 300, 20, 0.05),
        (seven, 7, 300, 150, 300, 7, 0.05),
        (seven, 7, 300, 100, 300, 20, 0.05),
        (seven, 7, 300, 50, 300, 20, 0.10),
        (seven, 7, 300, 150, 300, 20, 0.10),
        (seven, 7, 300, 150, 300, 20, 0.02),
        (seven, 7, 100, 400, 250, 20, 0.02),
        (seven, 7, 100, 400, 250, 20, 0.01),
    ):
        title = f"{enrolled} enrolled with {shots}, {unknown} unknown of {photos} drawings, {fresh} fresh"
        kept_table(title, deals(near, enrolled, unknown, fresh, photos, shots, given.redraws // 4), rate, FEW)


def others(name: str, count: int) -> None:
    """Faces by their pixels, or birds by features of a pretrained backbone: few classes, so only high rates."""
    from nearkin.data import load_images

    if name == "faces":
        images = load_images("faces")
        pixels = images.scaled(np.arange(len(images)))[:, :, ::8, ::8].reshape(len(images), -1)
        rows, photos, sizes, rate = pixels - pixels.mean(1, keepdims=True), 10, (13, 13, 14), 0.25
    else:
        from nearkin.comparison.frozen import open_features

        images = load_images("cub200-2010", size=(144, 144))
        weights = "weights/mobilenet_v2_imagenet_fp16.safetensors"
        section = {"name": "mobilenet_v2", "weights": weights, "size": 144, "frozen": True}
        rows = open_features(section, images)[0].rows
        photos, sizes, rate = 20, (60, 70, 70), 0.10
    near = nearest_of_classes(by_class(rows, images.labels, photos), 5)
    title = f"{name}: {sizes[0]} enrolled with 5, {sizes[1]} unknown, {sizes[2]} fresh"
    kept_table(title, deals(near, *sizes, photos, 5, count), rate, FEW)


def main() -> None:
    """Print the tables of the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("omniglot", "faces", "birds"), default=["omniglot", "faces"])
    parser.add_argument("--redraws", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=800, help="of training")
    parser.add_argument("--embeddings", type=Path, help="an .npz to keep the embeddings in, or to take them from")
    given = parser.parse_args()
    for part in given.parts:
        if part == "omniglot":
            omniglot(given)
        else:
            others(part, given.redraws // 2)
    print(f"\n{time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
