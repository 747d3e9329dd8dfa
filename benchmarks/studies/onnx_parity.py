"""The same decisions with the exported model as with torch, on 10,000 photos.

A small network is trained on MNIST's training images (multi-similarity, 300 steps), exported, and asked by both runners to
name the 10,000 test images among 1,000 enrolled ones: nearest class, the class of the 5 nearest (weighted by 1/distance), and
whether the distance to the nearest image of that class is within a threshold (the 95 % quantile of the enrolled images' own).

    NEARKIN_DATA=... python benchmarks/studies/onnx_parity.py

Ends with 1 where a decision differs.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from nearkin.comparison.default_network import default_network
from nearkin.core import write_json
from nearkin.data import ImageSet, Standardisation, load_images
from nearkin.decision.nearest import nearest
from nearkin.decision.votes import voted_for
from nearkin.embedding import Embedder, Preprocessing
from nearkin.losses import make_loss
from nearkin.networks import Network
from nearkin.training import TrainingPlan, train

K = 5


def trained(images: ImageSet, steps: int) -> Embedder:
    """A network trained on the images."""
    channels, height, width = images.image_shape
    settings = {**default_network(images.image_shape), "height": height, "width": width, "channels": channels}
    settings.pop("standardise")
    network = Network.from_configuration(settings)
    scale = Standardisation.of(images, np.arange(len(images)))
    network.standardise(scale.mean, scale.deviation)
    plan = TrainingPlan(steps=steps, classes_per_batch=8, images_per_class=8)
    train(network, make_loss("multi-similarity"), images.scaled, images.labels, plan)
    return Embedder.from_network(
        network, distance="cosine", input=Preprocessing.of(images), trained_on=images.hashes, name="MNIST"
    )


def decisions(embedder: Embedder, enrolled: ImageSet, asked: ImageSet) -> tuple[dict[str, np.ndarray], float]:
    """What the embedder decides of every asked image, and the seconds of embedding them."""
    known = embedder.embed([np.moveaxis(image, 0, 2) for image in enrolled.pixels])
    start = time.perf_counter()
    rows = embedder.embed([np.moveaxis(image, 0, 2) for image in asked.pixels])
    seconds = time.perf_counter() - start
    own = nearest(embedder.space, known, known, 1, query_groups=np.arange(len(known)), reference_groups=np.arange(len(known)))
    threshold = np.quantile(own.distances, 0.95)
    found = nearest(embedder.space, rows, known, K)
    voters = enrolled.labels[found.places]
    voted = voted_for(found.distances, voters, asked.labels, weights="distance")[2]
    to_voted = np.where(voters == voted[:, None], found.distances, np.inf).min(1)
    return {"nearest": voters[:, 0], "voted": voted, "accepted": to_voted <= threshold, "distance": to_voted}, seconds


def main() -> int:
    """Train, export, decide twice, count."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=300)
    options.add_argument("--photos", type=int, default=10_000)
    options.add_argument("--output", help="a JSON file for the figures")
    given = options.parse_args()
    images = load_images("mnist")
    order = np.random.default_rng(0).permutation(np.flatnonzero(images.split == "train"))
    asked = images.take(np.flatnonzero(images.split == "test")[: given.photos])
    made = trained(images.take(order[:10_000]), given.steps)
    exported, parity = made.export()
    enrolled = images.take(order[10_000:11_000])
    (torch, torch_seconds), (onnx, onnx_seconds) = (decisions(each, enrolled, asked) for each in (made, exported))
    differing = {name: int((torch[name] != onnx[name]).sum()) for name in ("nearest", "voted", "accepted")}
    figures = {
        "photos": len(asked),
        "enrolled": len(enrolled),
        "differing decisions": differing,
        "right": float((torch["voted"] == asked.labels).mean()),
        "accepted": float(torch["accepted"].mean()),
        "largest difference of a distance": float(np.abs(torch["distance"] - onnx["distance"]).max()),
        "parity": parity.as_dict(),
        "photos a second": {"torch": len(asked) / torch_seconds, "onnx": len(asked) / onnx_seconds},
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
    if given.output:
        write_json(given.output, figures)
    return int(any(differing.values()))


if __name__ == "__main__":
    sys.exit(main())
