"""Finds what lies in a bundle without being listed in its manifest."""

import fnmatch
import os
import pathlib
from collections.abc import Iterable

from keras_seq2seq.bundles.manifest import MANIFEST_FILE

# What desktops and network file systems write into any folder; no runtime reads these names.
HARMLESS = (".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".directory", ".nfs*")


def unlisted_files(folder: pathlib.Path, listed: Iterable[str]) -> list[str]:
    """Returns the paths of the files of a bundle that the manifest does not list, with `/`.

    A link inside the folder is followed: what it leads to may be listed under either name. A link
    to a folder elsewhere counts as a file that is not listed. Files that desktops write are left
    out (`HARMLESS`).

    Args:
        folder: The bundle.
        listed: The keys of `files` in the manifest.
    """
    names = {*listed, MANIFEST_FILE}
    root = folder.resolve()
    places = {(root / name).resolve() for name in names}
    found = []
    for parent, folders, files in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in (*files, *links):
            path = pathlib.Path(parent, name)
            place = path.resolve()
            if name in links and place.is_relative_to(root):
                continue  # what it leads to is met in its own place
            harmless = any(fnmatch.fnmatchcase(name, pattern) for pattern in HARMLESS)
            if not harmless and place not in places:
                found.append(path.relative_to(root).as_posix())
    return sorted(found)
