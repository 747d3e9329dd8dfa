"""`nearkin doctor`: versions, builds, where data are looked for, and what the caches hold."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import click

from nearkin.cli.answers import aligned, json_option, print_json
from nearkin.cli.data import cache_words, caches

_PACKAGES = ("nearkin", "numpy", "pillow", "pydantic", "click", "rich", "pyyaml", "platformdirs", "safetensors")
_EXTRAS = {
    "train": ("torch", "scikit-learn", "scipy"),
    "gallery": ("onnxruntime", "sqlalchemy"),
    "index": ("faiss-cpu",),
    "export": ("onnx", "onnxscript"),
    "report": ("scipy",),
    "tables": ("pyarrow",),
    "maps": ("openTSNE",),
    "backbones": ("timm", "torchvision"),
    "tune": ("optuna",),
}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what is installed, how torch was built, where data are looked for, and what the caches hold."""
    facts = examine()
    if as_json:
        print_json(facts)
        return
    click.echo(aligned([("python", facts["python"]), ("machine", facts["machine"]), ("processors", str(facts["processors"]))]))
    click.echo("\npackages\n" + aligned(list(facts["packages"].items()), indent="  "))
    for extra, packages in facts["extras"].items():
        missing = [name for name, version in packages.items() if version is None]
        advice = f"   (missing: pip install 'nearkin[{extra}]')" if missing else ""
        rows = [(name, version or "not installed") for name, version in packages.items()]
        click.echo(f"\nextra {extra}{advice}\n" + aligned(rows, indent="  "))
    if facts["torch"]:
        click.echo("\ntorch\n" + aligned([(key, str(value)) for key, value in facts["torch"].items()], indent="  "))
    if facts["builds"]:
        click.echo("\nbuilds\n" + aligned(list(facts["builds"].items()), indent="  "))
    click.echo("\ndata\n" + aligned(list(facts["data"].items()), indent="  "))
    kept = [(name, cache_words(facts)) for name, facts in facts["caches"].items()]
    click.echo("\ncaches   (nearkin data clear-caches empties them)\n" + aligned(kept, indent="  "))
    for fault in facts["faults"]:
        click.echo(f"\n! {fault}")


def examine() -> dict[str, Any]:
    """Everything `nearkin doctor` says, as plain values; `faults` lists what a person should repair."""
    from nearkin.data import data_root

    faults: list[str] = []
    return {
        "python": f"{platform.python_version()} ({sys.executable})",
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) or "not installed" for name in _PACKAGES},
        "extras": {extra: {name: _version(name) for name in names} for extra, names in _EXTRAS.items()},
        "torch": _torch_build(faults),
        "builds": _builds(faults),
        "data": {
            "NEARKIN_DATA": os.environ.get("NEARKIN_DATA", "(not set)"),
            "looked for in": f"{data_root()}{'' if data_root().is_dir() else ' (does not exist yet)'}",
        },
        "caches": caches(),
        "faults": faults,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _builds(faults: list[str]) -> dict[str, str]:
    """torch and torchvision with their build tags, which must agree; neither is imported for it."""
    from nearkin.core import vision

    different = vision.builds_differ()
    if different:
        faults.append(f"{different}; until then networks and transforms work, nms and torchvision.io do not")
    return vision.builds()


def _torch_build(faults: list[str]) -> dict[str, Any]:
    if find_spec("torch") is None:
        return {}
    try:
        import torch
    except Exception as error:
        faults.append(f"torch is installed but does not load: {error}")
        return {}
    return {
        "build": torch.__version__,
        "CUDA": torch.version.cuda or "none in this build",
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] or ["cpu"],
        "threads": torch.get_num_threads(),
    }
