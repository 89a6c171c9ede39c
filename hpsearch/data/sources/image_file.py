"""Read one image from a file, as an array of a size and a number of channels that are asked for.

What a file holds becomes bytes by rules that are the same for every image, so that those which a
model is asked about later are read as those that it was trained on:

- EXIF's orientation is obeyed.
- An image with transparency, in whatever form, is laid on white.
- Grey of 16 bits is divided by 257, which takes the largest number to 255.
- Palettes, CMYK and all other modes become red, green and blue, or grey by the weights of ITU-R 601
  where one channel is asked for.
- An image of another size is scaled, its sides in their ratio, until it just fits, smoothly and
  without aliasing. It is put into the middle, and its outermost pixels are repeated up to the edge.
- Of several frames or pages the first is read.

The work is done by Pillow.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from hpsearch.errors import Problem, SpecError

Size = tuple[int, int]
"""The height and the width of an image in pixels."""

Channels = Literal[1, 3]
"""How many numbers a pixel has: one of grey, or three of red, green and blue."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_DEEP = frozenset(["I;16", "I;16L", "I;16B", "I;16N"])  # grey of 16 bits
_GREY = frozenset(["1", "L", "LA", "La"]) | _DEEP
_WIDE = frozenset(["I", "F"])  # 32 bits, without a largest number that stands for white
_ON_THEIR_SIDE = range(5, 9)  # the orientations of EXIF whose height is the width of the file
_MOST_BYTES = 1 << 30  # of a file; Pillow reads some parts of it as a whole
_DAMAGE = (
    *(ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError, RuntimeError),
    *(AssertionError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow raises where a file is damaged, and where it claims too many pixels."""
_DRAFT = 2  # a JPEG is unpacked at least so many times as large as it is needed


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the beginning of a file says of the image in it.

    Attributes:
        size: its height and width in pixels, when it stands upright.
        mode: what its pixels are, in Pillow's word, such as L, RGB or P.
        has_transparency: some of its pixels may be transparent.
    """

    size: Size
    mode: str
    has_transparency: bool

    @property
    def is_grey(self) -> bool:
        """Whether one channel holds all that there is."""
        return self.mode in _GREY


def image_header(path: Path) -> ImageHeader:
    """Return what a file says of its image.

    Raises:
        SpecError: it holds no image that can be read, or one that is too large.
    """
    with _opened(path) as image:
        return ImageHeader(_upright(image), image.mode, image.has_transparency_data)


def read_image(path: Path, size: Size, channels: Channels) -> NDArray[np.uint8]:
    """Return the image of a file as bytes (channels, height, width), by the rules of this module.

    Args:
        path: the file.
        size: the height and the width that the image shall have.
        channels: 1 for grey, 3 for red, green and blue.

    Raises:
        SpecError: it holds no image that can be read, or one that is too large.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "red.png")
    ...     Image.new("RGB", (60, 20), "red").save(path)
    ...     pixels = read_image(path, (32, 32), 3)
    >>> pixels.shape, pixels[:, 0, 0].tolist()
    ((3, 32, 32), [255, 0, 0])
    """
    with _opened(path) as image:
        upright = _upright(image)
        height, width = inner = fitted(upright, size)
        if inner != upright:
            longest = _DRAFT * max(inner)
            image.draft(None, (longest, longest))
        ImageOps.exif_transpose(image, in_place=True)
        flat = _flat(image, "L" if channels == 1 else "RGB")
        if inner != upright:
            flat = flat.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(flat).reshape(height, width, channels).transpose(2, 0, 1)
    if inner == size:
        return pixels
    above, left = (size[0] - height) // 2, (size[1] - width) // 2
    around = (0, 0), (above, size[0] - height - above), (left, size[1] - width - left)
    return np.pad(pixels, around, mode="edge")


def fitted(size: Size, room: Size) -> Size:
    """Return the size of an image when it is scaled, its sides in their ratio, to fit into a room.

    >>> fitted((900, 700), (64, 64)), fitted((10, 20), (64, 64)), fitted((1, 1000), (64, 64))
    ((64, 50), (32, 64), (1, 64))
    """
    scale = min(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a file whose image is not unpacked yet; refuse the file for whatever comes of it."""
    try:
        if (found := path.stat().st_size) > _MOST_BYTES:
            raise ValueError(f"it has {found:,} bytes, more than {_MOST_BYTES:,} (1 GiB)")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of slips that Pillow mends by itself
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                if image.mode in _WIDE:
                    raise ValueError("its pixels have 32 bits; up to 16 are read")
                yield image
    except UnidentifiedImageError as error:
        reason = "it is empty" if not found else f"it begins as none of {', '.join(_FORMATS)} does"
        raise _refused(path, reason) from error
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except _DAMAGE as error:
        raise _refused(path, str(error) or type(error).__name__) from error


def _refused(path: Path, reason: str) -> SpecError:
    return SpecError(Problem("E073", f"the image '{path}' cannot be read: {reason}"))


def _upright(image: Image.Image) -> Size:
    """Return the height and width of an image when EXIF's orientation is obeyed."""
    width, height = image.size
    # of a TIFF file, Pillow tells the upright size from the beginning
    if image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation) in _ON_THEIR_SIDE:
        return width, height
    return height, width


def _flat(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """Return an image in grey or in colours, of 8 bits and without transparency."""
    if image.mode in _DEEP:
        deep = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, "white")
        image.paste(clear, mask=clear)
    return image.convert(mode)
