"""A loss of rows from its terms, where the engine's sweep does not apply."""

from __future__ import annotations

import torch

from nearkin.core.tensors import Terms
from nearkin.losses import Measure, RowLoss


def measured(
    base: RowLoss, terms: Terms | tuple[Terms, ...], positive: float, negative: float, dtype: torch.dtype
) -> Measure:
    """The base's reduction of `terms`, and the mean distances of pairs that were found beside them."""
    several = (terms,) if isinstance(terms, Terms) else tuple(terms)
    totals = torch.stack([term.total for term in several])
    counts = torch.stack([term.count.detach() for term in several]).to(totals.dtype)
    active = None
    if all(term.active is not None for term in several):
        active = torch.stack([term.active.detach() for term in several if term.active is not None]).to(totals.dtype)
    divisors = active if base.reduction == "mean_nonzero" and active is not None else counts
    share = None if active is None else float(active.sum() / counts.sum().clamp(min=1))
    return Measure(base.combine(totals, divisors).to(dtype), share, positive, negative)
