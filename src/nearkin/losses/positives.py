"""The positives of each row as a table, for losses that walk over them."""

from __future__ import annotations

import torch
from torch import Tensor

from nearkin.core.tensors import Block
from nearkin.mining import positive_table


def table_of_positives(block: Block) -> tuple[Tensor, Tensor, Tensor]:
    """Columns of each row's positives, which of them count, and their weights (1 unless graded, 0 where none): (b, P) each."""
    index, valid = positive_table(block.positives)
    one = block.distances.new_ones(())
    given = one if block.weights is None else block.weights.gather(1, index).to(one.dtype)
    return index, valid, torch.where(valid, given, 0)
