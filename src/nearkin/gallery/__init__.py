"""Enrolled images that are kept, searched and named: the store, its history, and the answers made from it. No torch."""

from nearkin.core import need

need("sqlalchemy", extra="gallery", purpose="a gallery")

from nearkin.gallery.connecting import DamagedGallery  # noqa: E402
from nearkin.gallery.enrolled import Details, Enrolled  # noqa: E402
from nearkin.gallery.entries import Entry  # noqa: E402
from nearkin.gallery.index import Recall  # noqa: E402
from nearkin.gallery.purging import Purge  # noqa: E402
from nearkin.gallery.revisions import Change, Conflict, Revision  # noqa: E402
from nearkin.gallery.searching import Found, Snapshot  # noqa: E402
from nearkin.gallery.store import Store  # noqa: E402

__all__ = [
    "Change",
    "Conflict",
    "DamagedGallery",
    "Details",
    "Enrolled",
    "Entry",
    "Found",
    "Purge",
    "Recall",
    "Revision",
    "Snapshot",
    "Store",
]
