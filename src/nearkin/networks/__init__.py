"""Networks: from images (B, C, H, W) to embeddings (B, D)."""

from nearkin.networks.embed import embed
from nearkin.networks.network import Network

__all__ = ["Network", "embed"]
