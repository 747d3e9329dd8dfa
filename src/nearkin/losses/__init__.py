"""What it costs: losses written once, as equations over rows; the engine that gives them every form; what stands outside."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nearkin.core import pick
from nearkin.core.tensors import Block, Own, Terms
from nearkin.losses.angular import Angular
from nearkin.losses.arcface import ArcFace, SubCenterArcFace
from nearkin.losses.centers import Center, ContrastiveCenter
from nearkin.losses.circle import Circle
from nearkin.losses.closed import Closed, Pairs, Tile
from nearkin.losses.combined_negatives import CombinedNegatives
from nearkin.losses.contrastive import Contrastive
from nearkin.losses.ddml import DDML
from nearkin.losses.engine import Measure, RowLoss
from nearkin.losses.fast_ap import FastAP
from nearkin.losses.finite import NotFinite
from nearkin.losses.foreign import Foreign
from nearkin.losses.group import Group
from nearkin.losses.joint import Joint
from nearkin.losses.lifted import GeneralizedLifted, Lifted
from nearkin.losses.margin import Margin
from nearkin.losses.memory_bank import MemoryBank
from nearkin.losses.multi_similarity import MultiSimilarity
from nearkin.losses.n_pair import NPair
from nearkin.losses.nca import NCA
from nearkin.losses.normalized_softmax import CosFace, NormalizedSoftmax
from nearkin.losses.nt_xent import NTXent
from nearkin.losses.outside import BatchLoss, Loss, OutsideLoss
from nearkin.losses.proxies import Proxies
from nearkin.losses.proxy_anchor import ProxyAnchor
from nearkin.losses.proxy_nca import ProxyNCA, ProxyNCAPlusPlus
from nearkin.losses.ranked_list import RankedList
from nearkin.losses.recall_at_k import RecallAtK
from nearkin.losses.regularisers import Decorrelation, EmbeddingNorm, EnergyConfusion, EqualNorms, ZeroMean
from nearkin.losses.smooth_ap import SmoothAP
from nearkin.losses.soft_triple import SoftTriple
from nearkin.losses.sums import Sum
from nearkin.losses.sup_con import SupCon
from nearkin.losses.triplet import Triplet
from nearkin.losses.triplet_network import TripletNetwork
from nearkin.losses.tuple_triplet import TupleTriplet
from nearkin.losses.tuplet_margin import TupletMargin

__all__ = [
    "DDML",
    "LOSSES",
    "NCA",
    "Angular",
    "ArcFace",
    "BatchLoss",
    "Block",
    "Center",
    "Circle",
    "Closed",
    "CombinedNegatives",
    "Contrastive",
    "ContrastiveCenter",
    "CosFace",
    "Decorrelation",
    "EmbeddingNorm",
    "EnergyConfusion",
    "EqualNorms",
    "FastAP",
    "Foreign",
    "GeneralizedLifted",
    "Group",
    "Joint",
    "Lifted",
    "Loss",
    "LossEntry",
    "Margin",
    "Measure",
    "MemoryBank",
    "MultiSimilarity",
    "NPair",
    "NTXent",
    "NormalizedSoftmax",
    "NotFinite",
    "OutsideLoss",
    "Own",
    "Pairs",
    "Proxies",
    "ProxyAnchor",
    "ProxyNCA",
    "ProxyNCAPlusPlus",
    "RankedList",
    "RecallAtK",
    "RowLoss",
    "SmoothAP",
    "SoftTriple",
    "SubCenterArcFace",
    "Sum",
    "SupCon",
    "Terms",
    "Tile",
    "Triplet",
    "TripletNetwork",
    "TupleTriplet",
    "TupletMargin",
    "ZeroMean",
    "make_loss",
]


class LossEntry(NamedTuple):
    """A loss of the table: its class, the ids of its formulas, the documents and papers they come from.

    kind: "rows" (made of rows, by the engine: any distance of its list, references, own columns, blocks), "batch" (sees
          the batch as a whole, outside the engine), "proxies" (rows against learned proxies of its own) or "composition"
          (made of other losses)
    """

    make: type[RowLoss] | type[OutsideLoss]
    formulas: tuple[str, ...]
    source: str
    kind: str = "rows"


LOSSES: Mapping[str, LossEntry] = MappingProxyType(
    {
        "angular": LossEntry(Angular, ("ANG-1",), "document 003; Wang et al. 2017"),
        "arcface": LossEntry(ArcFace, ("ARC-1",), "Deng et al. 2019", "proxies"),
        "center": LossEntry(Center, ("CTC-2",), "Wen et al. 2016", "batch"),
        "circle": LossEntry(Circle, ("CIR-1",), "Sun et al. 2020"),
        "combined-negatives": LossEntry(CombinedNegatives, ("CMB-1", "CMB-2"), "document 001 eq 8"),
        "contrastive": LossEntry(
            Contrastive,
            ("CON-1", "CON-2", "CON-3", "CON-4"),
            "documents 001 eq 1-3, 002, 004 eq 1; Hadsell et al. 2006",
        ),
        "contrastive-center": LossEntry(
            ContrastiveCenter, ("CTC-1",), "document 002 section 2; Qi and Su 2017", "batch"
        ),
        "cosface": LossEntry(CosFace, ("CSF-1",), "Wang et al. 2018", "proxies"),
        "ddml": LossEntry(DDML, ("DDM-1",), "document 003; Hu, Lu and Tan 2014"),
        "decorrelation": LossEntry(Decorrelation, (), "Cogswell et al. 2016; Bardes et al. 2022", "batch"),
        "embedding-norm": LossEntry(EmbeddingNorm, (), "Sohn 2016", "batch"),
        "energy-confusion": LossEntry(EnergyConfusion, ("ECA-1",), "Chen and Deng 2019", "batch"),
        "equal-norms": LossEntry(EqualNorms, (), "Wu et al. 2017", "batch"),
        "fast-ap": LossEntry(FastAP, ("FAP-1",), "Cakir et al. 2019"),
        "generalized-lifted": LossEntry(GeneralizedLifted, ("LFT-2",), "Hermans et al. 2017"),
        "joint": LossEntry(Joint, ("JNT-1",), "document 000", "composition"),
        "lifted": LossEntry(Lifted, ("LFT-1",), "document 004 eq 4-5; Song et al. 2016"),
        "margin": LossEntry(Margin, ("MRG-1",), "Wu et al. 2017"),
        "memory-bank": LossEntry(MemoryBank, (), "Wang et al. 2020", "composition"),
        "multi-similarity": LossEntry(MultiSimilarity, ("MSL-1",), "Wang et al. 2019"),
        "n-pair": LossEntry(NPair, ("NP-1", "NP-2", "NP-3"), "documents 001 eq 7, 004 eq 3; Sohn 2016"),
        "nca": LossEntry(NCA, ("NCA-1",), "Goldberger et al. 2005"),
        "normalized-softmax": LossEntry(NormalizedSoftmax, ("NSM-1",), "Zhai and Wu 2019", "proxies"),
        "nt-xent": LossEntry(NTXent, ("NTX-1",), "Chen et al. 2020"),
        "proxies": LossEntry(Proxies, (), "Movshovitz-Attias et al. 2017", "composition"),
        "proxy-anchor": LossEntry(ProxyAnchor, ("PAN-1",), "Kim et al. 2020", "proxies"),
        "proxy-nca": LossEntry(ProxyNCA, ("PNC-1",), "Movshovitz-Attias et al. 2017", "proxies"),
        "proxy-nca++": LossEntry(ProxyNCAPlusPlus, ("PNC-2",), "Teh et al. 2020", "proxies"),
        "ranked-list": LossEntry(RankedList, ("RLL-1",), "Wang et al. 2019"),
        "recall@k": LossEntry(RecallAtK, ("RKS-1",), "Patel, Tolias and Matas 2022"),
        "smooth-ap": LossEntry(SmoothAP, ("SAP-1",), "Brown et al. 2020"),
        "soft-triple": LossEntry(SoftTriple, ("STP-1",), "Qian et al. 2019", "proxies"),
        "sub-center-arcface": LossEntry(SubCenterArcFace, ("SUB-1",), "Deng et al. 2020", "proxies"),
        "sum": LossEntry(Sum, ("ANG-2",), "documents 003, 004 section 4.3", "composition"),
        "supcon": LossEntry(SupCon, ("SUP-1",), "Khosla et al. 2020"),
        "triplet": LossEntry(
            Triplet,
            ("TRI-1", "TRI-2", "TRI-3", "TRI-4", "TRI-5", "TRI-6", "SBH-1"),
            "documents 000, 002, 003 eq 2, 004 eq 2; Schroff et al. 2015, Hermans et al. 2017",
        ),
        "triplet-network": LossEntry(TripletNetwork, ("HOF-1", "HOF-2"), "document 001 eq 4-6; Hoffer and Ailon 2015"),
        "tuple-triplet": LossEntry(TupleTriplet, ("TUP-1",), "document 001, results"),
        "tuplet-margin": LossEntry(TupletMargin, ("TPM-1",), "Yu and Tao 2019"),
        "zero-mean": LossEntry(ZeroMean, ("SNR-3",), "document 004 section 4.3; Yuan et al. 2019", "batch"),
    }
)
"""Losses by name."""


def make_loss(name: str, **options: Any) -> Any:
    """The loss of that name; options go to its constructor untouched, so a misspelt one is a TypeError.

    >>> make_loss("triplet", margin=0.3).margin
    0.3
    """
    return pick("loss", LOSSES, name).make(**options)
