"""The two errors for what a caller gave."""


class InputError(ValueError):
    """A mistake in what the caller gave. Commands answer it with one sentence and exit code 2."""


class InputTypeError(InputError, TypeError):
    """What the caller gave is of the wrong kind altogether (a list for a tensor, a float for a label)."""
