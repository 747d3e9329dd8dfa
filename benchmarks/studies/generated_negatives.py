"""Generated negatives against their controls on handwritten digits: the table of DML-17, repeated with the library.

Each method has its own control: the same schedule, rates, normalisation and margin, with real negatives alone. Seen: ten
classes, a quarter of the images to train on, the others to test. Unseen: five classes to train on, five others to test.
MAP@R in per cent on the test images, and the mean difference to the control over seeds with its 95 % t-interval.

    python benchmarks/studies/generated_negatives.py --seeds 3 --steps 600
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats
from torch import nn

from nearkin.data import load_images
from nearkin.evaluation import evaluate
from nearkin.generation import Adversarial, EmbeddingExpansion, Segment, SymmetricalSynthesis
from nearkin.losses import NPair, Triplet
from nearkin.networks import Network, embed
from nearkin.training import TrainingPlan, train

Array = np.ndarray
SIZE = 32


def triplet(mining: str = "all") -> Triplet:
    return Triplet(0.2, mining=mining, distance="squared-euclidean")


METHODS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "control": (lambda: Adversarial(w_generated=0.0), "control"),
    "nearkin": (Adversarial, "control"),
    "nearkin, lambda2 = 0": (lambda: Adversarial(lambda2=0.0), "control"),
    "segment instead of a generator": (lambda: Adversarial(generator="segment"), "control"),
    "hardest real negative": (lambda: Adversarial(triplet("batch-hard"), w_generated=0.0), "control"),
    "daml, control": (lambda: Adversarial(preset="daml", w_generated=0.0), "daml, control"),
    "daml": (lambda: Adversarial(preset="daml"), "daml, control"),
    "dgm, control": (lambda: Adversarial(preset="dgm", w_generated=0.0), "dgm, control"),
    "dgm": (lambda: Adversarial(preset="dgm"), "dgm, control"),
    "triplet": (triplet, "triplet"),
    "triplet, batch-hard": (lambda: triplet("batch-hard"), "triplet"),
    "triplet, segment": (lambda: Segment(triplet()), "triplet"),
    "triplet, symmetrical synthesis": (lambda: SymmetricalSynthesis(triplet()), "triplet"),
    "triplet, embedding expansion": (lambda: EmbeddingExpansion(triplet()), "triplet"),
    "n-pair": (lambda: NPair(l2=0.002), "n-pair"),
    "n-pair, symmetrical synthesis": (lambda: SymmetricalSynthesis(NPair(l2=0.002)), "n-pair"),
    "n-pair, embedding expansion": (lambda: EmbeddingExpansion(NPair(l2=0.002)), "n-pair"),
}
"""Methods in the order of the table: what makes the loss, and the row that it is compared with."""


def split(labels: Array, protocol: str, seed: int) -> tuple[Array, Array]:
    """Positions to train on and to test."""
    rng = np.random.default_rng(seed)
    if protocol == "seen":
        order = rng.permutation(len(labels))
        return order[: len(labels) // 4], order[len(labels) // 4 :]
    known = np.isin(labels, rng.permutation(10)[:5])
    return np.flatnonzero(known), np.flatnonzero(~known)


def score(pixels: Array, labels: Array, protocol: str, make: Callable[[], nn.Module], steps: int, seed: int) -> float:
    """MAP@R of a method trained from one seed."""
    known, tested = split(labels, protocol, seed)
    loss = make()
    unit = not isinstance(loss, Adversarial) and not isinstance(getattr(loss, "base", loss), NPair)
    network: nn.Module = Network(*pixels.shape[2:], 1, SIZE, seed=seed, normalize=unit).add_fc(128)
    if isinstance(loss, Adversarial):
        network = loss.network(network, SIZE)
    classes = 8 if protocol == "seen" else 5
    plan = TrainingPlan(steps=steps, classes_per_batch=classes, images_per_class=4, seed=seed)
    train(network, loss, pixels[known], labels[known], plan)
    embeddings = torch.from_numpy(embed(network, pixels[tested]))
    return 100 * evaluate(embeddings, torch.from_numpy(labels[tested]), clustering=False).scores["map@r"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--protocols", nargs="+", choices=("seen", "unseen"), default=["seen", "unseen"])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    images = load_images("digits")
    pixels, labels = images.scaled(np.arange(len(images.labels))), images.labels
    for protocol in given.protocols:
        found: dict[str, Array] = {}
        for name in given.methods:
            make, control = METHODS[name]
            runs = [score(pixels, labels, protocol, make, given.steps, seed) for seed in range(given.seeds)]
            found[name] = np.array(runs)
            words = f"{protocol:7s} {name:32s} {np.mean(runs):5.1f}"
            if control in found and control != name:
                change = found[name] - found[control]
                spread = change.std(ddof=1) / len(change) ** 0.5 if len(change) > 1 else np.nan
                half = stats.t.ppf(0.975, len(change) - 1) * spread if len(change) > 1 else np.nan
                words += f"  {change.mean():+5.1f} +- {half:.1f} ({(change > 0).sum()} of {len(change)} seeds better than {control})"
            print(words, flush=True)


if __name__ == "__main__":
    main()
