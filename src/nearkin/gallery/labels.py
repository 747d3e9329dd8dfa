"""Labels: any script, taken literally."""

from __future__ import annotations

import unicodedata

from nearkin.core import InputError, InputTypeError

LONGEST = 500
_REFUSED = {
    "Cc": "a control character",
    "Cs": "half a character (a file name that is not UTF-8)",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


def as_label(label: object) -> str:
    """The label as it is kept: in Unicode's composed form (NFC), otherwise untouched.

    One name has several spellings in Unicode, and file systems differ in which they give: macOS hands out the folder
    `é` as `e` and an accent. Both are the same label here. Nothing else is changed: case, spaces, quotes, `%`, joiners.

    >>> as_label("e\\u0301") == as_label("\\u00e9")
    True

    Errors:  InputTypeError for what is no text; InputError for an empty one, one of spaces only, one of more than 500
             characters, and control characters or line breaks, which would spoil every list that it is shown in
    """
    if not isinstance(label, str):
        raise InputTypeError(f"a label is text, got {label!r}")
    if not label.strip():
        raise InputError(f"a label must hold more than spaces, got {label!r}")
    for character in label:
        wrong = _REFUSED.get(unicodedata.category(character))
        if wrong:
            raise InputError(f"the label {label!r} holds {wrong}; give it a name without")
    label = unicodedata.normalize("NFC", label)
    if len(label) > LONGEST:
        raise InputError(f"a label has at most {LONGEST} characters, got {len(label)}: {label[:40]!r}...")
    return label
