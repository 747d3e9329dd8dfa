"""nearkin learns, compares and uses image embeddings: vectors in which near means kin."""

__version__ = "0.1.0"
