"""Classification and a metric loss on the features under the classifier."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nearkin.core import InputError, InputTypeError, derived_seed, flag, integer, non_negative, within
from nearkin.core.tensors import added, traced
from nearkin.distances import Cosine, Distance, compute_dtype, wide
from nearkin.losses.centers import check_classes
from nearkin.losses.engine import Measure, RowLoss
from nearkin.losses.finite import check_value
from nearkin.losses.group import Group, as_group
from nearkin.losses.outside import Loss, OutsideLoss, class_labels, pair_means, say_empty


class Joint(OutsideLoss):
    """Cross-entropy of a linear classifier of its own plus a weighted metric loss on the same features [JNT-1].

    Equation:  CE(W h' + b, y) + w metric(h, y), both means; h the features, h' after dropout (if any)
    metric:    a loss, or None: cross-entropy alone. Document 000's arms: None; a triplet loss; batch-hard triplets
    weight:    w, default 0.5 (ours; the document gives none)
    normalize: features have length 1 for the metric loss, default True: margins mean nothing on 4096 large features.
               Cross-entropy always sees them as they are
    dropout:   share of features set to 0 before the classifier, in training mode, drawn from `generator=`; default 0
    metric_after_dropout: the metric loss sees features after the dropout, where the document takes them; default False,
               because a sample is then at a distance from itself
    classes, dimensions: of the classifier; a recipe fills them in. Labels are 0..classes-1
    seed:      of the classifier's first weights, default 0
    Source:    document 000, section 3
    """

    classifier: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        metric: Loss | None = None,
        classes: int | None = None,
        dimensions: int | None = None,
        *,
        weight: float = 0.5,
        normalize: bool = True,
        dropout: float = 0.0,
        metric_after_dropout: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if metric is not None and not isinstance(metric, RowLoss | OutsideLoss):
            raise InputTypeError(f"metric must be a loss of nearkin or None, got {type(metric).__name__}")
        self.metric = metric
        self.weight, self.normalize = non_negative("weight", weight), flag("normalize", normalize)
        self.dropout = within("dropout", dropout, 0, 1)
        if self.dropout == 1:
            raise InputError("dropout must be below 1: nothing would be left")
        self.metric_after_dropout = flag("metric_after_dropout", metric_after_dropout)
        self.classes = None if classes is None else integer("classes", classes, minimum=1)
        self.dimensions = None if dimensions is None else integer("dimensions", dimensions, minimum=1)
        self.seed = integer("seed", 0 if seed is None else seed)
        self._said_empty = False
        drawn = self._drawn()
        self.register_parameter("classifier", None if drawn is None else nn.Parameter(drawn))
        self.register_parameter("bias", None if drawn is None else nn.Parameter(torch.zeros(len(drawn))))

    def _drawn(self) -> Tensor | None:
        if self.classes is None or self.dimensions is None:
            return None
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "classifier"))
        uniform = torch.rand(self.classes, self.dimensions, generator=generator)
        return (2 * uniform - 1) / math.sqrt(self.dimensions)

    @property
    def distance(self) -> Distance:
        """Cosine where features are normalised for the metric loss, or there is none; else that of the metric loss."""
        return Cosine() if self.normalize or self.metric is None else self.metric.distance

    def classify(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of features (N, dimensions), without dropout."""
        if self.classifier is None or self.bias is None:
            raise InputError("Joint has a row a class: give classes= and dimensions= (a recipe fills them in)")
        dtype = compute_dtype(features)
        with torch.autocast(features.device.type, enabled=False):
            return F.linear(features.to(dtype), self.classifier.to(dtype), self.bias.to(dtype))

    def forward(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Tensor:
        classified, rows, known = self._classified(embeddings, labels, generator, as_group(group))
        if self.metric is None:
            return classified
        value: Tensor = classified + self.weight * self.metric(rows, known, ids=ids, generator=generator, group=group)
        return value

    def measure(
        self,
        embeddings: Tensor,
        labels: Any = None,
        *,
        ids: Tensor | None = None,
        generator: torch.Generator | None = None,
        group: Any = None,
    ) -> Measure:
        """As the call; mean distances are the metric loss's. Cross-entropy is never 0, so active is None."""
        classified, rows, known = self._classified(embeddings, labels, generator, as_group(group))
        if self.metric is None:
            return Measure(classified, None, *pair_means(self.distance, rows, known))
        found = self.metric.measure(rows, known, ids=ids, generator=generator, group=group)
        return Measure(classified + self.weight * found.value, None, found.positive, found.negative)

    def _classified(
        self, embeddings: Tensor, labels: Any, generator: torch.Generator | None, group: Group | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The cross-entropy, and rows and labels for the metric loss."""
        known = class_labels(embeddings, labels)
        features = embeddings.to(compute_dtype(embeddings))
        check_classes(self, self.classifier, features, known)
        dropped = self._dropped(features, generator)
        with torch.autocast(features.device.type, enabled=False):
            costs = F.cross_entropy(self.classify(dropped), known, reduction="none")
            value = self._mean(added(costs), len(costs), group).to(features.dtype)
            rows = dropped if self.metric_after_dropout else features
            if self.normalize:
                rows = Cosine().project(wide(rows)).to(features.dtype)
        check_value(type(self).__name__, value)
        return value, rows, known

    def _dropped(self, features: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.dropout or not self.training:
            return features
        if generator is None:
            raise InputError("dropout draws numbers: pass generator=torch.Generator().manual_seed(...)")
        noise = torch.rand(features.shape, generator=generator, device=generator.device).to(features.device)
        return torch.where(noise < self.dropout, 0, features / (1 - self.dropout))

    def _mean(self, total: Tensor, count: int, group: Group | None) -> Tensor:
        """The joint mean, with this process's share of the gradient times the number of processes."""
        if group is not None:
            joint = group.sum(torch.stack([total.detach(), torch.full_like(total.detach(), count)]))
            shared: Tensor = (joint[0] + group.size * (total - total.detach())) / joint[1].clamp(min=1)
            return shared
        if not count and not traced() and not self._said_empty:
            self._said_empty = True
            say_empty(self)
        return total / max(count, 1)

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return (
            f"classes={self.classes}, dimensions={self.dimensions}, weight={self.weight:g}, "
            f"normalize={self.normalize}, dropout={self.dropout:g}, metric_after_dropout={self.metric_after_dropout}, "
            f"seed={self.seed}"
        )
