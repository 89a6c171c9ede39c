"""Small images, drawn with random pixels that are always the same, and folders of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hpsearch.data.sources.image_file import Size


def random_pixels(size: Size, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return pixels (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def draw(path: Path, size: Size = (6, 8), mode: str = "RGB", seed: int = 0, **how: Any) -> Path:
    """Write an image of random pixels in some mode; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = random_pixels(size, seed)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels).convert(mode)
    image.save(path, **how)
    return path


def draw_classes(folder: Path, counts: Mapping[str, int], **how: Any) -> None:
    """Write so many images 0.png, 1.png and so on into a folder for each class."""
    for seed, (name, count) in enumerate(counts.items()):
        for number in range(count):
            draw(folder / name / f"{number}.png", seed=1000 * seed + number, **how)
