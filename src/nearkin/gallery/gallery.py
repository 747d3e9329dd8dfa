"""`Gallery`: enrolled images that name, compare and find others, and every change of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nearkin.core import InputError
from nearkin.embedding.embedder import Embedder
from nearkin.gallery import enrolling
from nearkin.gallery.asking import Asked, Images, Place, free
from nearkin.gallery.asking_unknowns import supported
from nearkin.gallery.collecting import Collection, collect
from nearkin.gallery.enrolling import Added
from nearkin.gallery.entries import Entry
from nearkin.gallery.naming import Choice, chosen, hash_of
from nearkin.gallery.purging import Purge
from nearkin.gallery.reading import Progress
from nearkin.gallery.revisions import Change, Revision

if TYPE_CHECKING:
    from nearkin.gallery.calibration import Calibration
    from nearkin.gallery.checking import Checked
    from nearkin.gallery.informing import Info
    from nearkin.gallery.rebasing import Rebased


INDEX_DUE = "so many images are enrolled that an index makes a search quicker: nearkin gallery index"


class Gallery(Asked):
    """A folder of enrolled images with the model that embeds them: name a photo, compare two, find the nearest.

    `images` is a folder, a zip, a file, a pattern, "-" for standard input, an array (H, W, C), or several of these.
    Every change is one transaction and one numbered revision: it happened as a whole or not at all, and can be undone.

    Errors of all methods:  InputError for images that cannot be read, each named, unless `skip_bad` leaves them out
    """

    @classmethod
    def create_from(
        cls,
        folder: Place,
        images: Images,
        model: Place | Embedder = "descriptor",
        *,
        label: str | None = None,
        skip_bad: bool = False,
        on_progress: Progress | None = None,
    ) -> tuple[Gallery, Added]:
        """Make a gallery of images: `create` and `add` in one, so that bad images leave no empty gallery behind."""
        free(folder)
        embedder = model if isinstance(model, Embedder) else Embedder.load(model)
        photos = collect(images, labelled=True, label=label, skip_bad=skip_bad)
        with enrolling.embedded(photos, embedder, Path(folder), on_progress) as staged:
            gallery = cls.create(folder, embedder)
            return gallery, gallery._enrolled(photos, staged.entries(), "")

    def add(
        self,
        images: Images,
        label: str | None = None,
        *,
        skip_bad: bool = False,
        note: str = "",
        on_progress: Progress | None = None,
    ) -> Added:
        """Enrol images.

        label:   the class of all of them; without it, `images` are folders or zips with one folder a class
        Returns: what was added, what was enrolled already, images that are enrolled under another label (reported and not
                 added), new classes that look like others, and whether the gallery has outgrown its calibration
        """
        photos = collect(images, labelled=True, label=label, skip_bad=skip_bad)
        with enrolling.embedded(photos, self.embedder, self.folder, on_progress) as staged:
            return self._enrolled(photos, staged.entries(), note)

    def _enrolled(self, photos: Collection, entries: Iterable[Entry], note: str) -> Added:
        change = self.store.add(entries, note=note)
        view = self.view()
        threshold = view.calibration.threshold if view.calibration else None
        return Added(
            revision=change.revision,
            added=change.added,
            classes=len(change.classes),
            unchanged=change.unchanged,
            conflicts=change.conflicts,
            bad=tuple(photos.bad),
            notes=(*photos.notes, *((INDEX_DUE,) if change.added and self.store.index_is_due() else ())),
            confusions=enrolling.confusions(view, change.classes, threshold) if change.added else (),
            outgrown=view.promise.outgrown if view.promise else None,
        )

    def supported_promise(self) -> float | None:
        """A round false-accept rate that `calibrate` can promise from the enrolled classes alone; None: it needs photos of others."""
        return supported(self.view(), self.embedder.trained_on)

    def remove(self, what: Choice, *, note: str = "") -> Change:
        """Remove a class, or images, from now on; earlier revisions still have them (see `purge`).

        what: a class name, an image's file, an image's number in the gallery, or several numbers; `Label(...)` and
              `File(...)` where a name could be both
        """
        return self.store.remove(**chosen(self.view(), what), note=note)

    def relabel(self, what: Choice, label: str, *, note: str = "") -> Change:
        """Give a class, or images, another name. what: as for `remove`"""
        return self.store.relabel(**chosen(self.view(), what), to=label, note=note)

    def purge(self, what: Choice) -> Purge:
        """Erase a class or an image for good: from every revision, log, free page and cache. It cannot be undone."""
        view = self.view()
        selected = chosen(view, what, erased=True)
        if "label" in selected:
            return self.store.purge(label=selected["label"])
        hashes = [hash_of(self.store, number) for number in selected["ids"]] if "ids" in selected else selected["hashes"]
        if len(hashes) != 1:
            raise InputError(f"purge erases one image or one class at a time, got {len(hashes)} images")
        return self.store.purge(hash=hashes[0])

    def rollback(self, revision: int, *, note: str = "") -> Change:
        """A new revision that is as `revision` was, its calibration included."""
        return self.store.rollback(revision, note=note)

    def history(self) -> list[Revision]:
        """All revisions, oldest first."""
        return self.store.history()

    def calibrate(
        self,
        false_accept: float,
        unknowns: Images | None = None,
        *,
        confidence: float = 0.95,
        room: float = 1.0,
        pair_false_accept: float | None = None,
        skip_bad: bool = False,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> Calibration:
        """Find the threshold of a promise, and keep it: of photos of classes that are not enrolled, at most a share
        `false_accept` is given any name, at the gallery's present size.

        unknowns:   photos of classes that are not enrolled, one folder a class; without them, whole enrolled classes are
                    left out in turn
        confidence: of the one-sided bound over classes
        pair_false_accept: for `verify`: the share of pairs of two classes that its threshold accepts; 1 %
                    by default, more where fewer than 1,000 such pairs are enrolled
        room:       by how much the number of classes may grow with the promise kept: 1.2 for a fifth more
        Errors:     InputError for a smaller rate than these classes support, with the smallest that they do. Images that
                    the model was trained on are set aside, and their classes; too few left is an error
        """
        from nearkin.gallery.calibrating import calibrated

        photos = None if unknowns is None else collect(unknowns, labelled=True, skip_bad=skip_bad)
        before = self.view().revision
        found = calibrated(
            self,
            false_accept,
            photos,
            confidence=confidence,
            room=room,
            pair_false_accept=pair_false_accept,
            seed=seed,
            on_progress=on_progress,
        )
        if self.store.revision() != before:
            raise InputError(f"somebody changed {self.folder} while it was calibrated; calibrate again")
        self.store.calibrate(found.as_section())
        return found

    def info(self) -> Info:
        """What the gallery is and holds, and what its answers are worth."""
        from nearkin.gallery.informing import informed

        return informed(self)

    def check(self, *, on_progress: Progress | None = None) -> Checked:
        """Likely label errors, near duplicates, classes with one image, and what is wrong with the files."""
        from nearkin.gallery.checking import checked

        return checked(self, on_progress)

    def rebase(
        self,
        model: Place | Embedder,
        images: Images,
        *,
        to: Place | None = None,
        probes: Images | None = None,
        skip_bad: bool = False,
        on_progress: Progress | None = None,
    ) -> Rebased:
        """Build the gallery of a new model beside this one, which stays as it is.

        images:  where the enrolled images are; they are known again by their content, whatever their names are now
        to:      the new gallery's folder; by default this one's name with the model's
        probes:  photos whose answers by both galleries are compared; by default the enrolled images, each left out
        """
        from nearkin.gallery.rebasing import rebased

        return rebased(self, model, images, to=to, probes=probes, skip_bad=skip_bad, on_progress=on_progress)
