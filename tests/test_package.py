"""The package's face: what an import costs, which names are public, and that each of them is explained."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import nearkin

PACKAGE = Path(nearkin.__file__).parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
PUBLIC_MODULES = ["nearkin", "nearkin.testing", *(f"nearkin.{room}" for room in ROOMS)]


def modules_after(code: str) -> set[str]:
    """Top-level packages outside the standard library that a fresh interpreter holds after `code`."""
    tail = "\nimport sys\nprint('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    answer = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(answer.stdout.splitlines()[-1].split()) - set(sys.stdlib_module_names) - {"__main__"}


def loaded_by(code: str) -> set[str]:
    """What `code` adds to an interpreter that does nothing (which holds what start-up files of its environment import)."""
    return modules_after(code) - modules_after("")


def test_importing_nearkin_imports_nothing_else():
    assert loaded_by("import nearkin") == {"nearkin"}


def test_the_scan_sees_what_is_imported():
    assert "numpy" in loaded_by("import nearkin, numpy")


def test_a_builder_gets_losses_without_plots_tables_or_other_frameworks():
    unwanted = {"matplotlib", "openTSNE", "pandas", "pyarrow", "pydantic", "sklearn", "timm", "torchvision"}
    assert loaded_by("import torch, nearkin; nearkin.Triplet(margin=0.2)") & unwanted == set()


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["list"], ["compare", "--help"]], ids=" ".join)
def test_the_command_answers_without_torch(arguments):
    code = f"""
import sys
sys.argv = ["nearkin", *{arguments!r}]
from nearkin.cli import main
try:
    main()
except SystemExit:
    pass
"""
    heavy = {"matplotlib", "numpy", "openTSNE", "pandas", "pyarrow", "scipy", "sklearn", "torch"}
    assert loaded_by(code) & heavy == set()


def test_the_module_is_the_command():
    answer = subprocess.run([sys.executable, "-m", "nearkin", "--version"], capture_output=True, text=True, check=True)
    assert nearkin.__version__ in answer.stdout


def test_the_lazy_names_are_the_listed_and_the_typed_ones():
    tree = ast.parse(Path(nearkin.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    typed = {alias.name: node.module for node in block.body for alias in node.names}
    assert typed == nearkin._HOME
    assert set(nearkin.__all__) == {"__version__", *nearkin._HOME}
    assert dir(nearkin) == sorted(nearkin.__all__)


@pytest.mark.parametrize("name", nearkin.__all__)
def test_a_lazy_name_is_the_thing_in_its_room(name):
    if name != "__version__":
        assert getattr(nearkin, name) is getattr(import_module(nearkin._HOME[name]), name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'nearkin' has no attribute 'Tripet'"):
        nearkin.Tripet  # noqa: B018


def test_a_name_that_needs_torch_says_so_where_torch_is_missing():
    code = """
import sys
sys.modules["torch"] = None  # as if it were not installed
import nearkin
try:
    nearkin.Triplet
except nearkin.MissingExtra as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == (
        "nearkin.Triplet needs 'torch', which is not installed; install it with: pip install 'nearkin[train]'\n"
    )


def public_objects() -> list[tuple[str, object]]:
    found = []
    for module in map(import_module, PUBLIC_MODULES):
        found += [(f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__]
    return found


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_a_room_says_what_it_is_and_lists_its_names(module):
    room = import_module(module)
    assert room.__doc__
    assert len(set(room.__all__)) == len(room.__all__)
    assert [name for name in room.__all__ if not hasattr(room, name)] == []


def has_words(thing: object) -> bool:
    """Whether a class or function has a docstring of its own, not the signature that dataclasses write."""
    words = inspect.cleandoc(thing.__doc__ or "")
    return bool(words) and not words.startswith(f"{thing.__name__}(")


def test_every_public_class_and_function_is_explained():
    things = [(name, thing) for name, thing in public_objects() if inspect.isclass(thing) or inspect.isfunction(thing)]
    assert len(things) > 50  # the walk must really see the rooms
    assert [name for name, thing in things if not has_words(thing)] == []


def test_every_public_method_is_explained():
    unexplained = []
    for name, thing in public_objects():
        for method, function in vars(thing).items() if inspect.isclass(thing) else ():
            plain = getattr(function, "__func__", getattr(function, "fget", function))
            if inspect.isfunction(plain) and not method.startswith("_") and not inspect.getdoc(getattr(thing, method)):
                unexplained.append(f"{name}.{method}")
    assert unexplained == []


def test_the_check_for_words_sees_their_absence():
    class Silent:
        pass

    assert not has_words(Silent)
    assert has_words(test_the_check_for_words_sees_their_absence) is False
    assert has_words(has_words)
