"""A base loss with learned hard negatives: the generators, and what each part of a step is trained for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nearkin.core import InputError, InputTypeError, choice, derived_seed, integer
from nearkin.distances import Distance
from nearkin.generation.class_means import ClassMeans
from nearkin.generation.generators import make_generator
from nearkin.generation.metric_network import WithMetricNetwork
from nearkin.generation.metric_term import metric_term
from nearkin.generation.rows import Rows, select_rows
from nearkin.generation.settings import PRESETS, GenerationSettings, make_settings
from nearkin.generation.terms import GeneratorTerms, negative_terms, positive_terms
from nearkin.losses import Measure, RowLoss, Triplet

Embed = Callable[[Tensor], Tensor]


class Generated(NamedTuple):
    """Features made for rows (R, d): g of J_hard and J_reg, g of J_adv and J_m, q before G-, g+ (None without G+)."""

    made: Tensor
    negative: Tensor
    partner: Tensor
    positive: Tensor | None


class Mixed(NamedTuple):
    """J_m: its value with the weight of J_m, and what was found on real and on generated rows (None where w leaves it out)."""

    value: Tensor
    real: Measure | None
    generated: Measure | None


class Adversarial(nn.Module):
    """Deep adversarial metric learning: a base loss that also sees negatives made to be hard [DML-3..11, DML-13].

    Equation:  J_m = (1 - w) base(real rows) + w base(rows with generated negatives), trained by F and W;
               J_gen = mean |g - a|^2 + lambda1 mean |g - n|^2 + lambda2 c mean [D(g, a)^2 - D(p, a)^2 - alpha]_+,
               trained by the generator of negatives G-; J_gen+ likewise by G+ (see `negative_terms`, `metric_term`)
    base:      any RowLoss; None: the triplet loss of the preset (margin alpha, squared Euclidean where `squared`)
    preset:    "nearkin" (default: three steps, nothing flows where it should not), "daml" (its authors' code: one joint
               sum), "dgm" (the code of document 003). Every switch of `GenerationSettings` can be given by keyword
    dimensions: size of features and embeddings; None: taken from the network when training starts
    hidden:    width of the generators; None: dimensions
    Training:  `nearkin.training.train(loss.network(F, dimensions), loss, ...)`: the first `pretraining` share of the
               steps with real negatives, then the steps of DML-9. At test time only W(F(x)) is used
    Call:      loss(embeddings, labels, generator=...) is the joint sum with the embeddings as features and W = identity
    Errors:    InputError for settings out of range, labels that are not integers, no generator of random numbers
    Source:    document 003; Duan et al., CVPR 2018. No published comparison under equal conditions confirms the family;
               mining alone is ahead of it on CUB and SOP. It is off by default everywhere
    """

    def __init__(
        self,
        base: RowLoss | None = None,
        preset: str = "nearkin",
        *,
        dimensions: int | None = None,
        hidden: int | None = None,
        seed: int = 0,
        gradients: str | None = None,
        squared: bool | None = None,
        factor: float | None = None,
        margin: float | None = None,
        lambda1: float | None = None,
        lambda1_positive: float | None = None,
        lambda2: float | None = None,
        metric_weight: float | None = None,
        w_generated: float | None = None,
        synthetic_positive: bool | None = None,
        adversarial_positive: str | None = None,
        average_positive: bool | None = None,
        average_negative: bool | None = None,
        adversarial_margin_sign: int | None = None,
        normalize_features: bool | None = None,
        normalize_embeddings: bool | None = None,
        generator: str | None = None,
        segment: float | None = None,
        cnn_rate: float | None = None,
        generator_rate: float | None = None,
        pretraining: float | None = None,
        pretraining_on: str | None = None,
        reduction: str | None = None,
        max_generated: int | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in GenerationSettings.__dataclass_fields__}
        super().__init__()
        self.preset = choice("preset", preset, tuple(PRESETS))
        self.settings = make_settings(preset, **given)
        self.base = _own_triplet(self.settings) if base is None else base
        if not isinstance(self.base, RowLoss):
            raise InputTypeError(f"base must be a loss of rows such as Triplet(), got {type(base).__name__}")
        self.hidden = hidden if hidden is None else integer("hidden", hidden, minimum=1)
        self.seed = integer("seed", seed)
        self.dimensions: int | None = None
        self.negative_generator: nn.Module | None = None
        self.positive_generator: nn.Module | None = None
        self.class_means: ClassMeans | None = None
        if dimensions is not None:
            self.build(dimensions)

    @property
    def distance(self) -> Distance:
        """The base's distance."""
        return self.base.distance

    def build(self, dimensions: int, *, like: Tensor | None = None) -> None:
        """Make the generators for features of that size; again with the same size changes nothing.

        like: a tensor of the kind and on the device that they shall have; None: float32 on the CPU
        """
        integer("dimensions", dimensions, minimum=1)
        if self.dimensions not in (None, dimensions):
            raise InputError(
                f"the generators were made for {self.dimensions} dimensions, the features have {dimensions}"
            )
        if self.dimensions is not None:
            return
        self.dimensions, at = dimensions, torch.zeros(()) if like is None else like
        sizes: dict[str, Any] = {"hidden": self.hidden, "t": self.settings.segment}
        form = self.settings.generator
        negative = make_generator(form, dimensions, **sizes, seed=derived_seed(self.seed, "negatives"))
        self.negative_generator = negative.to(at)
        if self.settings.synthetic_positive:
            positive = make_generator(form, dimensions, **sizes, seed=derived_seed(self.seed, "positives"))
            self.positive_generator = positive.to(at)

    def network(self, features_network: nn.Module, dimensions: int, *, hidden: int | None = None) -> WithMetricNetwork:
        """F with the metric network that these settings ask for; build the loss for it."""
        self.build(dimensions)
        return WithMetricNetwork(
            features_network,
            dimensions,
            hidden=hidden,
            normalize_features=self.settings.normalize_features,
            normalize_embeddings=self.settings.normalize_embeddings,
        )

    def watch_classes(self, labels: Tensor) -> None:
        """Keep a running mean of the features of every class among `labels`, for the log alone [DML-14]."""
        if self.class_means is None and self.dimensions is not None:
            self.class_means = ClassMeans(labels.unique(), self.dimensions)

    @property
    def learns(self) -> bool:
        """Whether the generator of negatives is trained: a segment is not."""
        return self.settings.generator != "segment"

    @property
    def generates(self) -> bool:
        """Whether generated negatives are seen at all; without them (w_generated 0) this is the control."""
        return self.settings.w_generated > 0

    def pretraining_steps(self, steps: int) -> int:
        """Steps of `steps` with real negatives alone."""
        return int(self.settings.pretraining * steps)

    def rows(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Rows:
        """The rows of a batch [DML-4, DML-6]."""
        return select_rows(
            self.base, embeddings, labels, generator=generator, max_generated=self.settings.max_generated
        )

    def generate(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Generated:
        """Negatives (and positives) for rows of features (R, d), in the graph of what is given."""
        if self.negative_generator is None:
            self.build(anchor.shape[1], like=anchor)
        partner, made_positive = positive, None
        if self.positive_generator is not None:
            made_positive = self.positive_generator(anchor, positive, negative, positive)
            partner = (positive + made_positive) / 2 if self.settings.average_positive else made_positive
        if self.settings.gradients != "joint":
            partner = partner.detach()
        made = self.negative_generator(anchor, partner, negative, negative)  # type: ignore[misc]
        seen = (negative + made) / 2 if self.settings.average_negative else made
        return Generated(made, seen, partner, made_positive)

    def negative_terms(
        self, anchor: Tensor, positive: Tensor, negative: Tensor, generated: Generated, embed: Embed
    ) -> GeneratorTerms:
        """J_gen of the rows; `embed` is W."""
        real = self.settings.adversarial_positive == "real"
        return negative_terms(
            self.settings, anchor, positive if real else generated.partner, negative,
            generated.made, generated.negative, embed,
        )  # fmt: skip

    def positive_terms(self, anchor: Tensor, positive: Tensor, generated: Generated) -> GeneratorTerms | None:
        """J_gen+ of the rows; None without a generator of positives."""
        if generated.positive is None:
            return None
        return positive_terms(self.settings, anchor, positive, generated.positive)

    def metric_term(self, rows: Rows, embeddings: Tensor, generated: Tensor | None) -> Mixed:
        """J_m with its weight: embeddings (B, D) of the batch, generated (R, D) of the rows; None: real rows alone."""
        ends = embeddings[rows.anchor[:, :, 0]] if rows else embeddings[rows.anchor.flatten(1)]
        partners = embeddings[rows.positive[:, :, 0]] if rows else embeddings[rows.positive.flatten(1)]
        share = self.settings.w_generated if generated is not None else 0.0
        real = made = None
        if share < 1:
            real = metric_term(self.base, ends, partners, embeddings[rows.negative])
        if generated is not None and share > 0:
            made = metric_term(self.base, ends, partners, generated.unflatten(0, rows.anchor.shape))
        parts = [(1 - share) * real.value if real else None, share * made.value if made else None]
        factor = self.settings.factor if isinstance(self.base, Triplet) else 1.0
        value = self.settings.metric_weight * factor * torch.stack([part for part in parts if part is not None]).sum()
        return Mixed(value, real, made)

    def measure(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Measure:
        """All terms at once, with the embeddings as features and W = identity: for a look, not for training."""
        rows = self.rows(embeddings, labels, generator=generator)
        anchor, positive, negative = rows.flat(embeddings)
        if not rows or not self.generates:
            mixed, terms = self.metric_term(rows, embeddings, None), []
        else:
            generated = self.generate(anchor, positive, negative)
            mixed = self.metric_term(rows, embeddings, generated.negative)
            terms = [
                self.negative_terms(anchor, positive, negative, generated, lambda rows: rows),
                self.positive_terms(anchor, positive, generated),
            ]
        value = mixed.value + sum(term.total for term in terms if term is not None)
        seen = mixed.real or mixed.generated
        return Measure(value, None, *(seen[2:] if seen else (0.0, 0.0)))

    def forward(self, embeddings: Tensor, labels: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """The value of `measure`."""
        return self.measure(embeddings, labels, generator=generator).value

    def extra_repr(self) -> str:
        """The preset and every switch."""
        return f"preset={self.preset!r}, {self.settings.words()}"


def _own_triplet(settings: GenerationSettings) -> Triplet:
    return Triplet(settings.margin, distance="squared-euclidean" if settings.squared else "euclidean")
