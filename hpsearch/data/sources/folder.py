"""Read a folder: IDX files where it has some, otherwise images in a sub-folder for each class."""

from __future__ import annotations

from hpsearch.data import DataSpec, RawData
from hpsearch.data.sources import idx, image_folder
from hpsearch.data.sources.folder_files import is_idx


def load(spec: DataSpec) -> RawData:
    """Return the images and labels of a folder.

    Raises:
        SpecError: it holds neither IDX files nor images, or one of them is damaged.
    """
    return idx.load(spec) if is_idx(spec.path) else image_folder.load(spec)
