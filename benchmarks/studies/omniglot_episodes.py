"""Omniglot episodes beyond the recipe: four turns side by side, accuracy by alphabet, and Lake's 20 runs.

The recipe trains and judges the network by itself; here its exported model is asked again. "Four turns" puts the embeddings of
a drawing and of its turns by 90, 180 and 270 degrees side by side: the network has learnt every turn for itself.

    nearkin compare omniglot-episodes
    nearkin export runs/omniglot-episodes/runs/RUN
    python benchmarks/studies/omniglot_episodes.py runs/omniglot-episodes/runs/RUN --json episodes.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from nearkin.core import InputError, write_json
from nearkin.data import ImageSet, load_images
from nearkin.embedding import Embedder
from nearkin.evaluation import Episodes, episodes, given_episodes, judge_episodes

Array = np.ndarray
SIZES = ((20, 1), (20, 5), (5, 1), (5, 5))


def embedded(embedder: Embedder, pixels: Array) -> dict[str, Array]:
    """Rows of drawings (n, 1, H, W): by the network, by it in four turns, and the pixels themselves."""
    turns = [np.rot90(pixels, turn, axes=(2, 3)) for turn in range(4)]
    rows = [embedder.embed(list(np.ascontiguousarray(each.transpose(0, 2, 3, 1)))) for each in turns]
    return {
        "network": rows[0],
        "four turns": np.concatenate(rows, axis=1),
        "pixels": pixels.reshape(len(pixels), -1) / np.float32(255),
    }


def judged(name: str, rows: Array, labels: Array, alphabets: Array) -> dict[str, Any]:
    """Episodes over all characters and within an alphabet, printed and as plain numbers."""
    found: dict[str, Any] = {}
    for where, within in (("all alphabets", None), ("within an alphabet", alphabets)):
        for ways, shots in SIZES:
            result = episodes(rows, labels, ways=ways, shots=shots, within=within)
            found[f"{ways}-way {shots}-shot, {where}"] = said(name, f"{ways}-way {shots}-shot, {where}", result)
            if within is not None and result.draw.groups is not None and (ways, shots) == SIZES[0]:
                drawn = np.asarray(result.draw.groups)
                found["by alphabet"] = {str(each): float(result.accuracies[drawn == each].mean()) for each in np.unique(drawn)}
    return found


def lake(embedder: Embedder, size: tuple[int, int]) -> dict[str, Any]:
    """The 20 runs; nothing where their files are not there."""
    try:
        images = load_images("omniglot-one-shot", size=size)
    except InputError as error:
        print(f"no runs: {error}")
        return {}
    draw = given_episodes(images.labels, images.groups, images.queries)
    return {
        name: said(name, "20 runs of 20-way one-shot", judge_episodes(rows, draw))
        for name, rows in embedded(embedder, images.pixels).items()
    }


def said(name: str, what: str, found: Episodes) -> dict[str, float]:
    """An accuracy with its interval, printed and as plain numbers."""
    low, high = found.interval.low, found.interval.high
    print(f"{name:12s} {what:36s} {found.accuracy:.4f} [{low:.4f}, {high:.4f}]", flush=True)
    return {"accuracy": found.accuracy, "low": low, "high": high, "episodes": len(found.draw)}


def evaluation_alphabets(size: tuple[int, int]) -> ImageSet:
    """The drawings of the 20 alphabets that nobody learnt."""
    images = load_images("omniglot", size=size)
    return images.take(np.flatnonzero(images.split == "test"))


def main() -> None:
    """Ask a model, print, and write its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", help="the folder of an exported run, or of a model")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.model is None:
        parser.print_help()
        return
    size = (options.size, options.size)
    embedder, images = Embedder.load(options.model), evaluation_alphabets(size)
    alphabets = np.array([name.split("/")[0] for name in images.classes])[images.labels]
    found: dict[str, Any] = {
        name: judged(name, rows, images.labels, alphabets) for name, rows in embedded(embedder, images.pixels).items()
    }
    found["lake"] = lake(embedder, size)
    if options.json is not None:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
