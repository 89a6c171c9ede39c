"""One image from a file: formats, modes, sizes, and what is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from hpsearch.data.sources.image_file import Size, fitted, image_header, read_image
from hpsearch.errors import Problem, SpecError
from tests.helpers.pictures import draw, random_pixels

SIDES = st.integers(1, 3000)


def refused(path: Path) -> Problem:
    """Return the problem for which both functions refuse a file."""
    with pytest.raises(SpecError):
        read_image(path, (4, 4), 3)
    with pytest.raises(SpecError) as caught:
        read_image(path, (1, 1), 1)
    (problem,) = caught.value.problems
    assert problem.code == "E073"
    assert str(path) in problem.message
    return problem


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colours: int = 0) -> bytes:
    """Return a PNG file with this header and these chunks."""
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "how"),
        [("a.png", {}), ("a.bmp", {}), ("a.tif", {}), ("a.TIFF", {}), ("a.webp", {"lossless": 1})],
    )
    def test_pixels_are_those_that_were_written(
        self, tmp_path: Path, name: str, how: dict[str, Any]
    ) -> None:
        path = draw(tmp_path / name, (5, 7), **how)
        pixels = read_image(path, (5, 7), 3)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, random_pixels((5, 7)).transpose(2, 0, 1))

    @pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.gif", "a.webp"])
    def test_pixels_of_a_format_that_loses_some_are_much_like_those(
        self, tmp_path: Path, name: str
    ) -> None:
        image = Image.new("RGB", (7, 5), (200, 100, 50))
        image.save(tmp_path / name)
        assert image_header(tmp_path / name).size == (5, 7)
        pixels = read_image(tmp_path / name, (5, 7), 3).astype(int)
        assert np.abs(pixels - np.array([200, 100, 50])[:, None, None]).max() <= 4

    @pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
    def test_of_several_frames_the_first_is_read(self, tmp_path: Path, name: str) -> None:
        first, second = Image.new("L", (4, 4), 10), Image.new("L", (4, 4), 200)
        lossless: dict[str, Any] = {"lossless": True} if name.endswith("webp") else {}
        first.save(tmp_path / name, save_all=True, append_images=[second], **lossless)
        assert (read_image(tmp_path / name, (4, 4), 1) == 10).all()

    def test_the_name_does_not_matter(self, tmp_path: Path) -> None:
        draw(tmp_path / "a.bmp").rename(tmp_path / "a.png")
        pixels = read_image(tmp_path / "a.png", (6, 8), 3)
        assert np.array_equal(pixels, random_pixels((6, 8)).transpose(2, 0, 1))


LIES: Mapping[int, Callable[[Any], Any]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How the pixels of an upright image lie in a file, for each orientation."""


class TestOrientation:
    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.jpg"])
    @pytest.mark.parametrize("orientation", LIES)
    def test_an_image_stands_as_its_camera_was_held(
        self, tmp_path: Path, name: str, orientation: int
    ) -> None:
        upright = np.kron(random_pixels((2, 3)), np.ones((16, 16, 1), np.uint8))
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        lies = np.ascontiguousarray(LIES[orientation](upright))
        exact: dict[str, Any] = {"lossless": True, "quality": 100}
        Image.fromarray(lies).save(tmp_path / name, exif=exif, **exact, subsampling=0)
        assert image_header(tmp_path / name).size == (32, 48)
        pixels = read_image(tmp_path / name, (32, 48), 3).transpose(1, 2, 0)
        assert np.abs(pixels.astype(int) - upright).max() <= 8

    def test_it_may_stand_at_the_end_of_a_png(self, tmp_path: Path) -> None:
        exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x112, 3, 1, 6) + bytes(4)
        rows = chunk(b"IDAT", zlib.compress(b"\0\x01\x02\x03\0\x04\x05\x06"))
        (tmp_path / "a.png").write_bytes(png(3, 2, rows, chunk(b"eXIf", exif)))
        assert image_header(tmp_path / "a.png").size == (3, 2)
        assert read_image(tmp_path / "a.png", (3, 2), 1).tolist() == [[[4, 1], [5, 2], [6, 3]]]


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
    def test_grey_is_told_from_colours(self, tmp_path: Path, mode: str) -> None:
        assert image_header(draw(tmp_path / "a.png", mode=mode)).is_grey

    @pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
    def test_colours_are_told_from_grey(self, tmp_path: Path, mode: str) -> None:
        assert not image_header(draw(tmp_path / "a.png", mode=mode)).is_grey

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(
        ("name", "mode"),
        [
            *(("a.png", mode) for mode in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")),
            *(("a.tif", mode) for mode in ("1", "L", "LA", "I;16", "P", "RGBA", "CMYK")),
            ("a.jpg", "CMYK"),
        ],
    )
    def test_every_mode_becomes_grey_or_colours(
        self, tmp_path: Path, name: str, mode: str, channels: Any
    ) -> None:
        path = draw(tmp_path / name, mode=mode)
        assert read_image(path, (6, 8), channels).shape == (channels, 6, 8)

    def test_three_channels_of_grey_are_alike(self, tmp_path: Path) -> None:
        grey = read_image(draw(tmp_path / "a.png", mode="L"), (6, 8), 1)
        assert np.array_equal(read_image(tmp_path / "a.png", (6, 8), 3), grey.repeat(3, axis=0))

    @given(st.lists(st.integers(0, 65535), min_size=1, max_size=20))
    def test_grey_of_16_bits_becomes_the_nearest_of_8(
        self, tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
    ) -> None:
        path = tmp_path_factory.mktemp("deep") / "a.png"
        Image.fromarray(np.array([[0, 65535, *numbers]], dtype=np.uint16)).save(path)
        found = read_image(path, (1, len(numbers) + 2), 1).ravel().astype(int)
        assert found[:2].tolist() == [0, 255]
        assert np.abs(found[2:] * 257 - numbers).max() <= 128

    def test_grey_of_16_bits_is_the_same_in_either_order_of_bytes(self, tmp_path: Path) -> None:
        deep = np.array([[0, 1000, 40000, 65535]], dtype=np.uint16)
        for name, mode in (("a.tif", "I;16"), ("b.tif", "I;16B")):
            data = deep.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
            Image.frombytes(mode, (4, 1), data).save(tmp_path / name)
            assert read_image(tmp_path / name, (1, 4), 1).tolist() == [[[0, 4, 156, 255]]]

    @pytest.mark.parametrize("mode", ["I", "F"])
    def test_pixels_of_32_bits_are_refused(self, tmp_path: Path, mode: str) -> None:
        Image.new(mode, (3, 3)).save(tmp_path / "a.tif")
        assert "32 bits" in refused(tmp_path / "a.tif").message


class TestTransparency:
    @pytest.mark.parametrize(
        ("mode", "how", "clear"),
        [
            ("RGBA", {}, (0, 0, 0, 0)),
            ("LA", {}, (0, 0)),
            ("P", {"transparency": 0}, 0),
            ("L", {"transparency": 7}, 7),
            ("RGB", {"transparency": (9, 8, 7)}, (9, 8, 7)),
            ("1", {"transparency": 0}, 0),
        ],
    )
    @pytest.mark.parametrize("channels", [1, 3])
    def test_what_is_transparent_is_white(
        self, tmp_path: Path, mode: str, how: dict[str, Any], clear: Any, channels: Any
    ) -> None:
        Image.new(mode, (3, 3), clear).save(tmp_path / "a.png", **how)
        assert image_header(tmp_path / "a.png").has_transparency
        assert (read_image(tmp_path / "a.png", (3, 3), channels) == 255).all()

    def test_what_is_half_transparent_is_half_white(self, tmp_path: Path) -> None:
        Image.new("RGBA", (3, 3), (255, 0, 100, 51)).save(tmp_path / "a.png")
        assert read_image(tmp_path / "a.png", (3, 3), 3)[:, 0, 0].tolist() == [255, 204, 224]

    def test_what_is_opaque_stays(self, tmp_path: Path) -> None:
        path = draw(tmp_path / "a.png", mode="RGBA")
        assert np.array_equal(read_image(path, (6, 8), 3), random_pixels((6, 8)).transpose(2, 0, 1))


class TestSize:
    @given(SIDES, SIDES, SIDES, SIDES)
    def test_an_image_fits_just_into_its_room(
        self, height: int, width: int, high: int, wide: int
    ) -> None:
        inner = fitted((height, width), (high, wide))
        assert 1 <= inner[0] <= high
        assert 1 <= inner[1] <= wide
        assert inner[0] == high or inner[1] == wide
        scale = min(high / height, wide / width)
        # each side is rounded by itself, and is a pixel at least
        assert abs(inner[0] - max(1, height * scale)) <= 0.5
        assert abs(inner[1] - max(1, width * scale)) <= 0.5

    @given(SIDES, SIDES)
    def test_an_image_of_the_size_of_the_room_stays(self, height: int, width: int) -> None:
        assert fitted((height, width), (height, width)) == (height, width)

    @pytest.mark.parametrize("size", [(1, 1), (64, 64), (3, 50), (50, 3), (300, 7)])
    @pytest.mark.parametrize("stored", [(1, 400), (400, 1), (20, 20), (33, 77)])
    def test_any_size_can_be_had_from_any(self, tmp_path: Path, size: Size, stored: Size) -> None:
        assert read_image(draw(tmp_path / "a.png", stored), size, 3).shape == (3, *size)

    def test_it_lies_in_the_middle_and_its_edge_is_repeated(self, tmp_path: Path) -> None:
        columns = np.array([[10, 20, 30, 40]], np.uint8)
        Image.fromarray(columns.repeat(4, axis=0)).save(tmp_path / "a.png")
        pixels = read_image(tmp_path / "a.png", (4, 7), 1)
        assert pixels.tolist() == [[[10, 10, 20, 30, 40, 40, 40]] * 4]

    @pytest.mark.parametrize("name", ["a.png", "a.jpg"])
    def test_a_fine_pattern_becomes_its_mean_and_no_coarse_one(
        self, tmp_path: Path, name: str
    ) -> None:
        board = (np.indices((512, 512)).sum(axis=0) % 2 * 200).astype(np.uint8)
        Image.fromarray(board).save(tmp_path / name, quality=95)
        pixels = read_image(tmp_path / name, (32, 32), 1).astype(int)
        assert np.abs(pixels - 100).max() <= 2

    @pytest.mark.parametrize("size", [(64, 64), (30, 40), (7, 5)])
    def test_a_large_photo_is_as_if_it_had_been_unpacked_as_a_whole(
        self, tmp_path: Path, size: Size
    ) -> None:
        coarse = Image.fromarray(random_pixels((30, 40)) // 2 + 64)
        for name in ("a.jpg", "a.png"):
            coarse.resize((400, 300), Image.Resampling.BICUBIC).save(tmp_path / name, quality=95)
        one, other = (read_image(tmp_path / name, size, 3) for name in ("a.jpg", "a.png"))
        assert np.abs(one.astype(int) - other).mean() <= 2


class TestDamage:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "it is empty"),
            (b"hello, world", "begins as none of PNG, JPEG, BMP, GIF, WEBP, TIFF"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "begins as none of"),
            (png(8, 8, chunk(b"IDAT", zlib.compress(bytes(20)))), "truncated"),
            (png(50_000, 50_000), "exceeds limit"),
            (png(9_500, 9_500), "exceeds limit"),
        ],
        ids=["empty", "text", "a program", "cut", "two billion pixels", "ninety million pixels"],
    )
    def test_a_file_is_refused_with_the_reason(
        self, tmp_path: Path, data: bytes, said: str
    ) -> None:
        (tmp_path / "a.png").write_bytes(data)
        assert said in refused(tmp_path / "a.png").message

    def test_a_file_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        assert "No such file" in refused(tmp_path / "a.png").message

    def test_a_file_of_more_than_a_gibibyte_is_not_opened(self, tmp_path: Path) -> None:
        path = draw(tmp_path / "a.png")
        with path.open("ab") as file:
            file.truncate((1 << 30) + 1)  # the disk holds nothing of it
        assert "more than 1,073,741,824" in refused(path).message

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp", "a.tif"])
    def test_a_cut_file_is_read_or_refused(self, tmp_path: Path, name: str) -> None:
        data = draw(tmp_path / name, (20, 30)).read_bytes()
        outcomes = set()
        for length in range(0, len(data), max(1, len(data) // 40)):
            (tmp_path / name).write_bytes(data[:length])
            outcomes.add(self.outcome(tmp_path / name))
        assert "refused" in outcomes

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp", "a.tif"])
    def test_a_damaged_file_is_read_or_refused(
        self, tmp_path: Path, name: str, mode: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        lacks = {"a.jpg": ("P", "RGBA", "I;16"), "a.bmp": ("I;16",), "a.gif": ("I;16",)}
        mode = "L" if mode in lacks.get(name, ("I;16",) if name == "a.webp" else ()) else mode
        data = draw(tmp_path / name, (20, 30), mode=mode).read_bytes()
        rng, outcomes = np.random.default_rng(0), set()
        for _ in range(100):
            changed = bytearray(data)
            for at in rng.integers(min(len(data), rng.choice([60, 10**6])), size=4):
                changed[at] = rng.integers(256)
            (tmp_path / name).write_bytes(changed)
            outcomes.add(self.outcome(tmp_path / name))
        assert "refused" in outcomes
        capfd.readouterr()  # libtiff complains on its own

    def outcome(self, path: Path) -> str:
        try:
            pixels = read_image(path, (9, 9), 3)
        except SpecError:
            return "refused"
        assert pixels.shape == (3, 9, 9)
        return "read"
