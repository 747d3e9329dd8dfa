"""The one place that imports torchvision, and timm, which imports torchvision: a foreign build is repaired, once, and said.

Imported by name only (`nearkin.core.vision`): it needs torch when it is used.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from nearkin.core.optional import MissingExtra, need

_FOREIGN = "operator torchvision::nms does not exist"
_UNLOADED = ("nms", "qnms")  # what torchvision's Python looks up while it is imported
_ONE_AT_A_TIME = threading.RLock()
_DECLARED: list[Any] = []  # torch forgets the operators when their Library object dies


class BuildWarning(UserWarning):
    """torch and torchvision are of different builds; classification networks and transforms work all the same."""


class BrokenVision(ImportError):
    """torchvision is installed but does not load, or NEARKIN_STRICT_BUILDS=1 asks not to repair it."""


def vision(module: str, *, purpose: str = "pretrained networks") -> ModuleType:
    """Import and return torchvision, timm, or a module of one of them: `vision("torchvision.models")`.

    A torchvision built for CUDA beside a torch built for the CPU (or the other way) fails when it is imported: its
    compiled operators do not load, and its Python looks one of them up. On exactly that error, and where the build tags
    differ, the two missing operators are declared, the import is tried again, and one BuildWarning names both builds
    and the command that installs a matching pair. Networks and transforms then work; `nms` and `torchvision.io` fail,
    clearly, when they are called.

    Errors:  MissingExtra where a package is not installed; BrokenVision, with the same advice, for any other failure
             and, with NEARKIN_STRICT_BUILDS=1, instead of the repair
    """
    with _ONE_AT_A_TIME:
        need("torch", extra="train", purpose=purpose)
        if "torchvision" not in sys.modules:
            _import_torchvision(purpose)
        return need(module, extra="backbones", purpose=purpose)


def builds() -> dict[str, str]:
    """The versions of torch and torchvision with their build tags, such as "2.13.0+cpu"; nothing is imported.

    They are read from each package's `version.py`: package metadata often leave the tag out.
    """
    return {name: version for name in ("torch", "torchvision") if (version := _version_with_tag(name))}


def builds_differ() -> str | None:
    """What a person should know and do where the two packages' build tags differ, else None."""
    known = builds()
    tags = {version.partition("+")[2] for version in known.values()}
    if len(known) < 2 or len(tags) < 2:
        return None
    return f"torchvision {known['torchvision']} and torch {known['torch']} are of different builds; {_advice()}"


def _import_torchvision(purpose: str) -> None:
    try:
        need("torchvision", extra="backbones", purpose=purpose)
        return
    except MissingExtra:
        raise
    except Exception as error:
        said = builds_differ() if isinstance(error, RuntimeError) and str(error) == _FOREIGN else None
        if said is None or os.environ.get("NEARKIN_STRICT_BUILDS", "") not in ("", "0"):
            raise _broken(error) from error
    _drop_half_imported()
    _declare()
    try:
        need("torchvision", extra="backbones", purpose=purpose)
    except Exception as error:
        _DECLARED.pop()._destroy()
        _drop_half_imported()
        raise _broken(error) from error
    warnings.warn(
        f"{said}. Until then networks and transforms work; nms and torchvision.io do not", BuildWarning, stacklevel=3
    )


def _declare() -> None:
    torch: Any = sys.modules["torch"]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _UNLOADED:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)


def _drop_half_imported() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _broken(error: Exception) -> BrokenVision:
    said = builds_differ() or f"found {' and '.join(map(' '.join, builds().items()))}; {_advice()}"
    return BrokenVision(f"torchvision is installed but does not load ({error}): {said}")


def _advice() -> str:
    """The command that installs a matching pair, in the spelling of torch's own installation (its index may have no tags)."""
    known = builds()
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = known["torch"]
    torchvision = known["torchvision"].partition("+")[0] + "".join(torch.partition("+")[1:])
    pair = f"torch=={torch} torchvision=={torchvision}"
    return f"install a matching pair, both from one package index: pip install --force-reinstall {pair}"


def _version_with_tag(package: str) -> str | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("version.py")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(r"""^__version__\s*=\s*["']([^"']+)["']""", text, re.MULTILINE)
    return found[1] if found else "of unknown version"
