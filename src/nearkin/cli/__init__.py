"""The commands: each parses what was typed, calls one function of a room below and answers. No torch at import."""

from __future__ import annotations

from nearkin.cli.program import main

__all__ = ["main"]
