"""Images with labels: opened, checked, split and drawn in batches. numpy and Pillow, no torch."""

from nearkin.data.catalogue import CATALOGUE, Entry, data_root, located, looked_for
from nearkin.data.images import ImageSet
from nearkin.data.loading import load_images
from nearkin.data.opening import open_image

__all__ = [
    "CATALOGUE",
    "Entry",
    "ImageSet",
    "data_root",
    "load_images",
    "located",
    "looked_for",
    "open_image",
]
