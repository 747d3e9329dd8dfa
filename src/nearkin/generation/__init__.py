"""Hard negatives and positives that are made, not found: generators, and what they must beat."""

from __future__ import annotations

from nearkin.generation.adversarial import Adversarial, Generated, Mixed
from nearkin.generation.embedding_expansion import EmbeddingExpansion
from nearkin.generation.generators import Generator, SegmentGenerator
from nearkin.generation.metric_network import MetricNetwork, WithMetricNetwork
from nearkin.generation.rows import Rows, select_rows
from nearkin.generation.segment import Segment
from nearkin.generation.settings import PRESETS, GenerationSettings, make_settings
from nearkin.generation.symmetrical_synthesis import SymmetricalSynthesis
from nearkin.generation.table import GENERATION, GenerationEntry, make_generation
from nearkin.generation.telemetry import COLUMNS, shape_of
from nearkin.generation.terms import GeneratorTerms, best_share

__all__ = [
    "COLUMNS",
    "GENERATION",
    "PRESETS",
    "Adversarial",
    "EmbeddingExpansion",
    "Generated",
    "GenerationEntry",
    "GenerationSettings",
    "Generator",
    "GeneratorTerms",
    "MetricNetwork",
    "Mixed",
    "Rows",
    "Segment",
    "SegmentGenerator",
    "SymmetricalSynthesis",
    "WithMetricNetwork",
    "best_share",
    "make_generation",
    "make_settings",
    "select_rows",
    "shape_of",
]
