"""Weights read from a file and put into a network: every one fits, or the error names those that do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from nearkin.core import InputError, need


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Errors: an InputError for a missing, damaged or pickled file, with what to do."""
    if not path.is_file():
        raise InputError(f"there is no file of weights {path}")
    if path.suffix != ".safetensors":
        raise InputError(
            f"weights are read from .safetensors files, got {path}: a pickled file may run code when it is opened. "
            "Convert it once, if you trust it: safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW)"
        )
    safetensors = need("safetensors.torch", extra="train", purpose="reading weights")
    try:
        weights: dict[str, Tensor] = safetensors.load_file(path)
    except Exception as error:  # the library's own error class lies in a private module
        raise InputError(f"{path} is damaged or no safetensors file ({error})") from error
    return weights


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], *, aside: Iterable[str], title: str) -> None:
    """Copy `weights` into `network`; a half-precision weight is raised to the network's float32.

    aside: modules whose weights are not read (a classifier that was taken out)
    Only `num_batches_tracked`, a counter of batch norm that old files lack, may be missing.
    Errors: an InputError that names the keys that are missing, unknown or of another shape or kind, and weights that
            are not finite; the network is then as it was
    """
    left_out = tuple(f"{module}." for module in aside)
    given = {key: tensor for key, tensor in weights.items() if not key.startswith(left_out)}
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    unknown = [key for key in given if key not in wanted]
    both = [key for key in wanted if key in given]
    reshaped = [
        f"{key} {_shape(given[key])} for {_shape(wanted[key])}" for key in both if given[key].shape != wanted[key].shape
    ]
    other_kind = [
        f"{key} ({given[key].dtype})"
        for key in both
        if given[key].is_floating_point() != wanted[key].is_floating_point()
    ]
    faults = [
        _listed(missing, "missing"),
        _listed(unknown, "unknown"),
        _listed(reshaped, "of another shape"),
        _listed(other_kind, "of another kind"),
    ]
    if any(faults):
        raise InputError(f"{title} do not fit: {'; '.join(fault for fault in faults if fault)}")
    broken = [key for key in both if not bool(given[key].float().isfinite().all())]
    if broken:
        raise InputError(f"{title} hold NaN or infinity: {_listed(broken, 'not finite')}")
    network.load_state_dict({**wanted, **given})


def _listed(keys: list[str], what: str) -> str:
    """`3 of another shape (a, b, ...)`, or nothing."""
    shown = ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
    return f"{len(keys)} {what} ({shown})" if keys else ""


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"
