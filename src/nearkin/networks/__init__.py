"""Networks: from images (B, C, H, W) to embeddings (B, D)."""

from nearkin.networks.architectures import BACKBONES, Architecture
from nearkin.networks.backbones import Backbone
from nearkin.networks.embed import embed
from nearkin.networks.fine_tuned import FineTuned
from nearkin.networks.heads import EmbeddingHead
from nearkin.networks.network import Network

__all__ = ["BACKBONES", "Architecture", "Backbone", "EmbeddingHead", "FineTuned", "Network", "embed"]
