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
    from nearkin.distances import Distance, make_distance

__version__ = "0.1.0"

_HOME = {
    "Distance": "nearkin.distances",
    "InputError": "nearkin.core",
    "MissingExtra": "nearkin.core",
    "make_distance": "nearkin.distances",
}

__all__ = [
    "Distance",
    "InputError",
    "MissingExtra",
    "__version__",
    "make_distance",
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
        if error.name not in ("torch", "sklearn", "safetensors"):
            raise
        from nearkin.core import MissingExtra

        raise MissingExtra(
            f"nearkin.{name} needs {error.name!r}, which is not installed; install it with: pip install 'nearkin[train]'"
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)
