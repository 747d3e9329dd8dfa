"""Omniglot episodes: a small network learns the background alphabets and is judged on alphabets that it has never seen.

Four convolutions with batch norm at 28 x 28 and a 64-dimensional embedding of unit length, trained by the supervised
contrastive loss on the 964 background characters; a character turned by 90, 180 or 270 degrees is a class of its own, as is
usual since Vinyals et al. 2016. Judged by 1,000 episodes of each size over all characters of the evaluation alphabets, and
within one alphabet an episode; where the files are there, by Lake's 20 runs of 20-way one-shot classification. "Four turns"
puts the embeddings of a drawing and of its three turns side by side.

    python benchmarks/studies/omniglot_episodes.py --folder runs/omniglot-episodes
    python benchmarks/studies/omniglot_episodes.py --steps 500 --held-out 6     # settings are chosen so: no evaluation alphabet

The run goes on where it was stopped; results.json in the folder has every number.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from nearkin.core import InputError, derived_seed
from nearkin.data import ImageSet, load_images
from nearkin.evaluation import Episodes, episodes, given_episodes, judge_episodes
from nearkin.losses import make_loss
from nearkin.networks import Network, embed
from nearkin.training import ProgressBar, TrainingPlan, train

Array = np.ndarray
SIZE, FILTERS, DIMENSIONS, TURNS = (28, 28), (32, 64, 64, 64), 64, 4
SIZES = ((20, 1), (20, 5), (5, 1), (5, 5))


def ink(images: ImageSet, chosen: Array | None = None) -> Array:
    """Drawings (n, 1, 28, 28): 1 where there is ink, 0 where there is paper."""
    return 1 - images.scaled(chosen)


def turned(drawings: Array) -> Callable[[Array], Array]:
    """Drawing p of the first turn is position p, of the second p + n, and so on: position -> the drawing, turned."""

    def of(positions: Array) -> Array:
        turns, places = np.divmod(positions, len(drawings))
        found = drawings[places]
        for turn in range(1, TURNS):
            found[turns == turn] = np.rot90(found[turns == turn], turn, axes=(2, 3))
        return found

    return of


def built(drawings: Array, filters: tuple[int, ...], seed: int) -> Network:
    """Four blocks: convolution 3 x 3, batch norm, pooling 2 x 2, ReLU; then a linear embedding of unit length."""
    network = Network(*SIZE, 1, DIMENSIONS, seed=derived_seed(seed, "network"), normalize=True)
    for count in filters:
        network.add_conv(3, 3, 2, 2, count, batch_norm=True)
    return network.standardise(float(drawings.mean()), float(drawings.std()))


def trained(
    drawings: Array, classes: Array, options: argparse.Namespace, judge: Callable[[Any], float] | None
) -> tuple[Network, float]:
    """The network after `options.steps` steps, and the seconds that they took."""
    codes = np.unique(classes, return_inverse=True)[1]
    labels = np.concatenate([codes + turn * (codes.max() + 1) for turn in range(TURNS)])
    network = built(drawings, tuple(options.filters), options.seed)
    if options.begin is not None:
        network.load_state_dict(load_file(options.begin))
    plan = TrainingPlan(
        steps=options.steps,
        classes_per_batch=options.classes,
        images_per_class=options.images,
        learning_rate=options.learning_rate,
        schedule="cosine",
        validate_every=max(1, options.steps // 5),
        seed=derived_seed(options.seed, "training"),
    )
    loss = make_loss(options.loss, **json.loads(options.loss_options))
    with ProgressBar("omniglot") as bar:
        history = train(
            network,
            loss,
            turned(drawings),
            labels,
            plan,
            validate=judge,
            folder=options.folder,
            data="ink",
            on_step=bar,
        )
    for step, value in zip(history.curves["step"], history.curves["validation"]):
        if np.isfinite(value):
            print(f"step {step}: {value:.4f} in 20-way 1-shot episodes of the alphabets held out", flush=True)
    return network, history.seconds


def four_turns(network: Network, drawings: Array) -> Array:
    """The embeddings of a drawing and of its three turns side by side: the network has learnt every turn for itself."""
    turns = (np.ascontiguousarray(np.rot90(drawings, turn, axes=(2, 3))) for turn in range(TURNS))
    return np.concatenate([embed(network, each) for each in turns], axis=1)


def sizes(rows: Array, labels: Array, alphabets: Array, **options: Any) -> dict[str, Episodes]:
    """Every size over all characters and within an alphabet."""
    return {
        f"{ways}-way {shots}-shot, {where}": episodes(rows, labels, ways=ways, shots=shots, within=within, **options)
        for where, within in (("all alphabets", None), ("within an alphabet", alphabets))
        for ways, shots in SIZES
    }


def judged(name: str, rows: Array, images: ImageSet, chosen: Array, alphabets: Array) -> dict[str, Any]:
    """Episodes of the evaluation alphabets, printed and as plain numbers."""
    found = sizes(rows, images.labels[chosen], alphabets[chosen])
    for words, result in found.items():
        print(f"{name:12s} {words:36s} {_words(result)}", flush=True)
    hardest = found["20-way 1-shot, within an alphabet"]
    groups = hardest.draw.groups if hardest.draw.groups is not None else np.array([])
    within = {str(each): float(hardest.accuracies[groups == each].mean()) for each in np.unique(groups)}
    return {"sizes": {words: _section(result) for words, result in found.items()}, "20-way 1-shot by alphabet": within}


def lake(name: str, embedded: Callable[[Array], Array]) -> dict[str, Any] | None:
    """The 20 runs, or None where their files are not there."""
    try:
        images = load_images("omniglot-one-shot", size=SIZE)
    except InputError as error:
        print(f"no runs: {error}")
        return None
    result = judge_episodes(embedded(ink(images)), given_episodes(images.labels, images.groups, images.queries))
    print(
        f"{name:12s} {'20 runs of 20-way one-shot':36s} {_words(result)}, error {1 - result.accuracy:.2%}", flush=True
    )
    return _section(result)


def _words(found: Episodes) -> str:
    return f"{found.accuracy:.4f} [{found.interval.low:.4f}, {found.interval.high:.4f}]"


def _section(found: Episodes) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "low": found.interval.low,
        "high": found.interval.high,
        "episodes": len(found.draw),
    }


def main() -> None:
    """Train, judge, write results.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--classes", type=int, default=32, help="characters in a batch")
    parser.add_argument("--images", type=int, default=4, help="drawings of each")
    parser.add_argument("--filters", type=int, nargs=4, default=FILTERS)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--loss", default="supcon")
    parser.add_argument("--loss-options", default='{"temperature": 0.1}')
    parser.add_argument("--begin", type=Path, help="weights of an earlier run to begin with, as network.safetensors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=int, default=0, help="background alphabets to judge on instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = load_images("omniglot", size=SIZE)
    alphabets = np.array([name.split("/")[0] for name in images.classes])[images.labels]
    background = np.flatnonzero(images.split == "train")
    names = np.unique(alphabets[background])
    held = np.random.default_rng(derived_seed(options.seed, "held out")).choice(names, options.held_out, replace=False)
    apart = np.isin(alphabets[background], held)
    train_on, asked = (
        background[~apart],
        background[apart] if options.held_out else np.flatnonzero(images.split == "test"),
    )
    drawings, unseen = ink(images, train_on), ink(images, asked)

    def judge(network: Network) -> float:
        return episodes(embed(network, unseen), images.labels[asked], episodes=600).accuracy

    started = time.process_time()
    network, seconds = trained(drawings, images.labels[train_on], options, judge if options.held_out else None)
    print(
        f"{options.steps} steps, {seconds:.0f} s, {time.process_time() - started:.0f} s of CPU this time",
        flush=True,
    )
    if options.held_out:
        return
    found: dict[str, Any] = {"options": {key: str(value) for key, value in vars(options).items()}, "seconds": seconds}
    found["network"] = judged("network", embed(network, unseen), images, asked, alphabets)
    found["four turns"] = judged("four turns", four_turns(network, unseen), images, asked, alphabets)
    found["pixels"] = judged("pixels", unseen.reshape(len(unseen), -1), images, asked, alphabets)
    found["lake"] = {
        "network": lake("network", lambda drawn: embed(network, drawn)),
        "four turns": lake("four turns", lambda drawn: four_turns(network, drawn)),
        "pixels": lake("pixels", lambda drawn: drawn.reshape(len(drawn), -1)),
    }
    if options.folder is not None:
        (options.folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
