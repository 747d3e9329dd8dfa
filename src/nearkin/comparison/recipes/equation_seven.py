"""Equation 7 of document 001 as it is printed: the example of a loss of one's own that a recipe names by its import path."""

import torch
from torch import Tensor, nn


class EquationSeven(nn.Module):
    """(1/N) log sum_i exp(sum_j (y_i'y_j+ - y_i'y_i+)) over N pairs of different classes, as printed.

    It is not the N-pair loss: the mean over i belongs outside the logarithm and the sum over j outside the exponential.
    So it has no lower bound, and only the worst anchor is felt. A loss of one's own needs no more than this: a module
    that takes embeddings (B, D) and labels (B,) and answers with a scalar.
    """

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        pairs = [(labels == label).nonzero()[:2, 0] for label in labels.unique()]
        first, second = torch.stack([pair for pair in pairs if len(pair) == 2], dim=1)
        products = embeddings[first] @ embeddings[second].T
        sums = (products - products.diagonal()[:, None]).sum(1)
        return torch.logsumexp(sums, dim=0) / len(first)
