"""One of two real processes: its share of the batch through every combination of loss, distance and mining, over gloo.

Run as `python two_processes.py RANK FOLDER`: writes value and gradients of each to FOLDER/RANK.pt.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sweeps.combinations import Combination, combinations, numbers, sample, slopes

FIRST = 4  # rows of the first process; the second has the other five


def run(combination: Combination, rows: slice, group: Any, block_size: int | None) -> list[Tensor]:
    """Value and gradients of a combination on a share of the batch."""
    loss = combination.make(block_size=block_size)
    x, y, noise = sample(rows)
    return slopes(loss, [x], lambda e: loss(e, y, group=group, **numbers(loss, noise)))


def main(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    rows = (slice(0, FIRST), slice(FIRST, None))[rank]
    warnings.simplefilter("ignore")
    found = {
        each.title: run(each, rows, dist.group.WORLD, (None, 2)[place % 2]) for place, each in enumerate(combinations())
    }
    torch.save(found, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
