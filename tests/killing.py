"""Children that are killed: what the scripts that kill them share, and how a test runs such a script.

A script forks its children from one process, which has torch loaded, and prints what happened as JSON. It is run by its path,
so that its folder comes first where modules are looked for: no script may be called as this module is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


def run_script(script: Path, *arguments: object, timeout: int = 1000) -> dict[str, Any]:
    """What the script printed; it may import from the folder of tests."""
    assert script.stem != Path(__file__).stem
    places = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads(done.stdout)


def forked(action: Callable[[], object]) -> int:
    """The process id of a child that does `action` and ends with 0, or says its error and ends with 1."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    return child


def status_of(child: int) -> int:
    """How the child ended, as `os.waitpid` has it."""
    return os.waitpid(child, 0)[1]


def done_by_a_child(action: Callable[[], object]) -> None:
    """Do `action` in a child that nobody kills, to its end."""
    status = status_of(forked(action))
    if status:
        raise SystemExit(f"what was not killed ended with status {status}")


def between(before: Callable[[], object], function: Callable[..., Any], after: Callable[[], object] = lambda: None) -> Callable[..., Any]:
    """`function`, with something done before and after it."""

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        before()
        try:
            return function(*arguments, **keywords)
        finally:
            after()

    return wrapped


def before_file_operations(event: Callable[[], object], *names: str) -> None:
    """Do `event` before every call of these functions of `os`, in this process until it ends."""
    for name in names:
        setattr(os, name, between(event, getattr(os, name)))
