"""One thread a process, set before numpy and torch load; what README and docs show is executed or checked."""

from __future__ import annotations

import os
import shlex
from typing import Any

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

os.environ.setdefault("OMP_NUM_THREADS", "1")


def check_commands(example: Example) -> str | None:
    """Every `nearkin` line of a shell block names commands and options that there are."""
    from nearkin.cli.program import program

    for line in example.parsed.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] in (["nearkin"], [".venv/bin/nearkin"]):
            wrong = unknown_words(program, words[1:])
            if wrong:
                return f"{line!r}: there is no {', '.join(wrong)}"
    return None


def unknown_words(command: Any, words: list[str]) -> list[str]:
    """The options and subcommands among `words` that `command` does not have."""
    while words and words[0] in getattr(command, "commands", ()):
        command, words = command.commands[words[0]], words[1:]
    known = {spelling for option in command.params for spelling in (*option.opts, *option.secondary_opts)} | {"--help"}
    wrong = [word for word in words if word.startswith("--") and word not in known]
    return wrong + [word for word in words if hasattr(command, "commands") and not word.startswith("-")]


def check_yaml(example: Example) -> str | None:
    """Every YAML block is a recipe without a mistake; `check_recipe` raises with all of them."""
    from nearkin.comparison import check_recipe
    from nearkin.comparison.yaml_text import parse_yaml

    check_recipe(parse_yaml(example.parsed))
    return None


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("sh", check_commands),
        CodeBlockParser("yaml", check_yaml),
    ],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md"],
).pytest()
