"""Images with labels: opened, checked, split and drawn in batches. numpy and Pillow, no torch."""

from nearkin.data.batches import PKSampler
from nearkin.data.catalogue import CATALOGUE, data_root, located, looked_for
from nearkin.data.entry import Entry
from nearkin.data.fetching import DownloadError, fetch
from nearkin.data.images import ImageSet
from nearkin.data.leaks import check_leaks
from nearkin.data.loading import load_images
from nearkin.data.near_duplicates import NearDuplicate, near_duplicates
from nearkin.data.opening import open_image
from nearkin.data.splits import Split, make_split, possible_protocols
from nearkin.data.stacking import SizesDiffer
from nearkin.data.standardising import Standardisation

__all__ = [
    "CATALOGUE",
    "DownloadError",
    "Entry",
    "ImageSet",
    "NearDuplicate",
    "PKSampler",
    "SizesDiffer",
    "Split",
    "Standardisation",
    "check_leaks",
    "data_root",
    "fetch",
    "load_images",
    "located",
    "looked_for",
    "make_split",
    "near_duplicates",
    "open_image",
    "possible_protocols",
]
