"""Enrolled images that are kept, searched and named: the store, its history, and the answers made from it. No torch."""

from nearkin.core import need

need("sqlalchemy", extra="gallery", purpose="a gallery")

from nearkin.gallery.answers import Answer, Candidate, Model, Nearby, Neighbour, Pair, Promised  # noqa: E402
from nearkin.gallery.calibration import Calibration  # noqa: E402
from nearkin.gallery.collecting import Collection, collect  # noqa: E402
from nearkin.gallery.connecting import DamagedGallery  # noqa: E402
from nearkin.gallery.enrolled import Details, Enrolled  # noqa: E402
from nearkin.gallery.enrolling import Added, Confusion  # noqa: E402
from nearkin.gallery.entries import Entry  # noqa: E402
from nearkin.gallery.gallery import Gallery  # noqa: E402
from nearkin.gallery.index import Recall  # noqa: E402
from nearkin.gallery.naming import File, Label  # noqa: E402
from nearkin.gallery.purging import Purge  # noqa: E402
from nearkin.gallery.revisions import Change, Conflict, Revision  # noqa: E402
from nearkin.gallery.searching import Found, Snapshot  # noqa: E402
from nearkin.gallery.store import Store  # noqa: E402

__all__ = [
    "Added",
    "Answer",
    "Calibration",
    "Candidate",
    "Change",
    "Collection",
    "Conflict",
    "Confusion",
    "DamagedGallery",
    "Details",
    "Enrolled",
    "Entry",
    "File",
    "Found",
    "Gallery",
    "Label",
    "Model",
    "Nearby",
    "Neighbour",
    "Pair",
    "Promised",
    "Purge",
    "Recall",
    "Revision",
    "Snapshot",
    "Store",
    "collect",
]
