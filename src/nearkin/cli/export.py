"""`nearkin export`: from a finished run, or a model that has none yet, to a model folder with an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nearkin.cli.answers import json_option, print_json
from nearkin.core import InputError, need

if TYPE_CHECKING:
    from nearkin.embedding import Embedder
    from nearkin.embedding.keeping import Kept


@click.command(no_args_is_help=True)
@click.argument("source", metavar="RUN|MODEL", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="The model's folder; default: RUN/model, or MODEL itself.")
@json_option
def export(source: Path, output: Path | None, as_json: bool) -> None:
    """Make a model that answers without torch, and say how far it is from torch.

    RUN is the folder of a finished run (in a study's runs/), or of a study with a single one; MODEL is a model folder. The
    model knows its preprocessing, its distance, and which images it was trained on.

    \b
        nearkin export runs/faces-train
        nearkin export runs/quickstart/runs/0123456789abcdef --output models/digits
    """
    need("torch", extra="train", purpose="nearkin export")
    from nearkin.embedding.keeping import keep

    kept = keep(_opened(source), output or _own_place(source), needs_onnx=True)
    print_json(kept.as_dict()) if as_json else click.echo(model_in_words(kept))


def model_in_words(kept: Kept) -> str:
    """What the model is, how exact its exported file is, and the line to type next."""
    made = kept.embedder
    facts = f"{made.dimension} numbers an image, distance {made.space.name}, {len(made.trained_on):,} images seen in training"
    lines = [f"The model, ready to use ({facts}):  {kept.folder}"]
    if kept.parity is None:
        lines.append(f"! it answers with torch only: {kept.reason}. Later: nearkin export {kept.folder}")
    else:
        sizes = ", ".join(map(str, kept.parity.differences))
        lines.append(
            f"It answers without torch: numbers differ by at most {kept.parity.worst:.1g} of {kept.parity.largest:.2g} "
            f"(batches of {sizes})"
        )
    lines.append(f"Enrol images and name others with it:\n    nearkin gallery create -g GALLERY FOLDER --model {kept.folder}")
    return "\n".join(lines)


def _opened(source: Path) -> Embedder:
    from nearkin.embedding import Embedder
    from nearkin.embedding.model_folder import RECORD

    if (source / RECORD).is_file():
        return Embedder.load(source, runner="torch")
    if not source.is_dir():
        raise InputError(f"there is no folder {source}; name that of a run, a study or a model")
    from nearkin.comparison.model_folder import embedder_of, find_run

    return embedder_of(*find_run(source))


def _own_place(source: Path) -> Path:
    from nearkin.embedding.model_folder import RECORD

    return source if (source / RECORD).is_file() else source / "model"
