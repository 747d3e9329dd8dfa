"""What every room may lean on: checks and their words, seeds, optional imports, atomic files, names. No torch at import."""

from nearkin.core.checks import choice, finite, flag, integer, non_negative, positive, within
from nearkin.core.errors import InputError, InputTypeError
from nearkin.core.files import content_hash, write_atomically, write_json
from nearkin.core.names import pick, suggestion
from nearkin.core.optional import MissingExtra, need
from nearkin.core.seeds import derived_seed
from nearkin.core.stopping import StopRequested, raise_on_signals

__all__ = [
    "InputError",
    "InputTypeError",
    "MissingExtra",
    "StopRequested",
    "choice",
    "content_hash",
    "derived_seed",
    "finite",
    "flag",
    "integer",
    "need",
    "non_negative",
    "pick",
    "positive",
    "raise_on_signals",
    "suggestion",
    "within",
    "write_atomically",
    "write_json",
]
