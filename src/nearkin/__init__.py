"""nearkin learns, compares and uses image embeddings: vectors in which near means kin.

The names here are those of a builder's day; each is imported from its room when it is first used, so that
`import nearkin` costs nothing and works without torch.

>>> import torch, nearkin as nk
>>> loss = nk.Triplet(margin=0.2, distance="cosine")
>>> embeddings = torch.eye(4, requires_grad=True)
>>> loss(embeddings, torch.tensor([0, 0, 1, 1])).item()
0.20...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nearkin.core import InputError, MissingExtra
    from nearkin.data import ImageSet, PKSampler, load_images, make_split
    from nearkin.distances import SNR, Distance, Mahalanobis, RelativeMahalanobis, SymmetricSNR, make_distance
    from nearkin.embedding import Embedder, cached_features
    from nearkin.estimators import LMNN, InverseCovariance, NeighbourClassifier, Verifier
    from nearkin.evaluation import evaluate
    from nearkin.gallery import Gallery
    from nearkin.generation import Adversarial, EmbeddingExpansion, Segment, SymmetricalSynthesis
    from nearkin.losses import (
        DDML,
        NCA,
        Angular,
        ArcFace,
        Block,
        Center,
        Circle,
        CombinedNegatives,
        Contrastive,
        ContrastiveCenter,
        CosFace,
        Decorrelation,
        EmbeddingNorm,
        EnergyConfusion,
        EqualNorms,
        FastAP,
        Foreign,
        GeneralizedLifted,
        Joint,
        Lifted,
        Margin,
        Measure,
        MemoryBank,
        MultiSimilarity,
        NormalizedSoftmax,
        NPair,
        NTXent,
        Own,
        Proxies,
        ProxyAnchor,
        ProxyNCA,
        ProxyNCAPlusPlus,
        RankedList,
        RecallAtK,
        RowLoss,
        SmoothAP,
        SoftTriple,
        SubCenterArcFace,
        Sum,
        SupCon,
        Terms,
        Triplet,
        TripletNetwork,
        TupletMargin,
        TupleTriplet,
        ZeroMean,
        make_loss,
    )
    from nearkin.networks import Backbone, EmbeddingHead, FineTuned, Network, embed
    from nearkin.report import build_report
    from nearkin.training import TrainingPlan, train

__version__ = "0.1.0"

_HOME = {
    "Adversarial": "nearkin.generation",
    "Angular": "nearkin.losses",
    "ArcFace": "nearkin.losses",
    "Backbone": "nearkin.networks",
    "Block": "nearkin.losses",
    "Center": "nearkin.losses",
    "Circle": "nearkin.losses",
    "CombinedNegatives": "nearkin.losses",
    "Contrastive": "nearkin.losses",
    "ContrastiveCenter": "nearkin.losses",
    "CosFace": "nearkin.losses",
    "DDML": "nearkin.losses",
    "Decorrelation": "nearkin.losses",
    "Distance": "nearkin.distances",
    "Embedder": "nearkin.embedding",
    "EmbeddingExpansion": "nearkin.generation",
    "EmbeddingHead": "nearkin.networks",
    "EmbeddingNorm": "nearkin.losses",
    "EnergyConfusion": "nearkin.losses",
    "EqualNorms": "nearkin.losses",
    "FastAP": "nearkin.losses",
    "FineTuned": "nearkin.networks",
    "Foreign": "nearkin.losses",
    "Gallery": "nearkin.gallery",
    "GeneralizedLifted": "nearkin.losses",
    "ImageSet": "nearkin.data",
    "InputError": "nearkin.core",
    "InverseCovariance": "nearkin.estimators",
    "Joint": "nearkin.losses",
    "LMNN": "nearkin.estimators",
    "Lifted": "nearkin.losses",
    "Mahalanobis": "nearkin.distances",
    "Margin": "nearkin.losses",
    "Measure": "nearkin.losses",
    "MemoryBank": "nearkin.losses",
    "MissingExtra": "nearkin.core",
    "MultiSimilarity": "nearkin.losses",
    "NCA": "nearkin.losses",
    "NPair": "nearkin.losses",
    "NTXent": "nearkin.losses",
    "Network": "nearkin.networks",
    "NeighbourClassifier": "nearkin.estimators",
    "NormalizedSoftmax": "nearkin.losses",
    "Own": "nearkin.losses",
    "PKSampler": "nearkin.data",
    "Proxies": "nearkin.losses",
    "ProxyAnchor": "nearkin.losses",
    "ProxyNCA": "nearkin.losses",
    "ProxyNCAPlusPlus": "nearkin.losses",
    "RankedList": "nearkin.losses",
    "RecallAtK": "nearkin.losses",
    "RelativeMahalanobis": "nearkin.distances",
    "RowLoss": "nearkin.losses",
    "SNR": "nearkin.distances",
    "Segment": "nearkin.generation",
    "SmoothAP": "nearkin.losses",
    "SoftTriple": "nearkin.losses",
    "SubCenterArcFace": "nearkin.losses",
    "Sum": "nearkin.losses",
    "SupCon": "nearkin.losses",
    "SymmetricSNR": "nearkin.distances",
    "SymmetricalSynthesis": "nearkin.generation",
    "Terms": "nearkin.losses",
    "TrainingPlan": "nearkin.training",
    "Triplet": "nearkin.losses",
    "TripletNetwork": "nearkin.losses",
    "TupleTriplet": "nearkin.losses",
    "TupletMargin": "nearkin.losses",
    "Verifier": "nearkin.estimators",
    "ZeroMean": "nearkin.losses",
    "build_report": "nearkin.report",
    "cached_features": "nearkin.embedding",
    "embed": "nearkin.networks",
    "evaluate": "nearkin.evaluation",
    "load_images": "nearkin.data",
    "make_distance": "nearkin.distances",
    "make_loss": "nearkin.losses",
    "make_split": "nearkin.data",
    "train": "nearkin.training",
}

__all__ = [
    "DDML",
    "LMNN",
    "NCA",
    "SNR",
    "Adversarial",
    "Angular",
    "ArcFace",
    "Backbone",
    "Block",
    "Center",
    "Circle",
    "CombinedNegatives",
    "Contrastive",
    "ContrastiveCenter",
    "CosFace",
    "Decorrelation",
    "Distance",
    "Embedder",
    "EmbeddingExpansion",
    "EmbeddingHead",
    "EmbeddingNorm",
    "EnergyConfusion",
    "EqualNorms",
    "FastAP",
    "FineTuned",
    "Foreign",
    "Gallery",
    "GeneralizedLifted",
    "ImageSet",
    "InputError",
    "InverseCovariance",
    "Joint",
    "Lifted",
    "Mahalanobis",
    "Margin",
    "Measure",
    "MemoryBank",
    "MissingExtra",
    "MultiSimilarity",
    "NPair",
    "NTXent",
    "NeighbourClassifier",
    "Network",
    "NormalizedSoftmax",
    "Own",
    "PKSampler",
    "Proxies",
    "ProxyAnchor",
    "ProxyNCA",
    "ProxyNCAPlusPlus",
    "RankedList",
    "RecallAtK",
    "RelativeMahalanobis",
    "RowLoss",
    "Segment",
    "SmoothAP",
    "SoftTriple",
    "SubCenterArcFace",
    "Sum",
    "SupCon",
    "SymmetricSNR",
    "SymmetricalSynthesis",
    "Terms",
    "TrainingPlan",
    "Triplet",
    "TripletNetwork",
    "TupleTriplet",
    "TupletMargin",
    "Verifier",
    "ZeroMean",
    "__version__",
    "build_report",
    "cached_features",
    "embed",
    "evaluate",
    "load_images",
    "make_distance",
    "make_loss",
    "make_split",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nearkin' has no attribute {name!r}")
    value = getattr(_room(name), name)
    globals()[name] = value
    return value


def _room(name: str) -> Any:
    try:
        return import_module(_HOME[name])
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "sklearn", "scipy"):
            raise
        from nearkin.core import MissingExtra

        raise MissingExtra(
            f"nearkin.{name} needs {error.name!r}, which is not installed; install it with: pip install 'nearkin[train]'"
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)
