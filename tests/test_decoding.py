import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageFilter, TiffImagePlugin
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from goldenpair.data import decoding
from goldenpair.data.decoding import LARGEST, as_picture, decode, read_size
from goldenpair.errors import DataError

HEIGHT, WIDTH = 9, 14


def random_pixels(height: int, width: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (height, width, channels), dtype=np.uint8)


def smooth(height: int = 41, width: int = 53) -> Image.Image:
    return Image.fromarray(random_pixels(height, width)).filter(ImageFilter.GaussianBlur(2))


def saved(image: Image.Image, kind: str, **values) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **values)
    return file.getvalue()


def resized_by_pillow(image: Image.Image) -> np.ndarray:
    resized = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


# what is accepted, and as which pixels


@pytest.mark.parametrize("size", [(23, 31), (5, 4), (9, 30), (14, 9), (100, 100), (1, 1)])
def test_decoding_is_pillows_bilinear_resize(tmp_path, size):
    path = tmp_path / "a.png"
    Image.fromarray(random_pixels(*size)).save(path)
    found = decode(path, HEIGHT, WIDTH)
    assert found.dtype == np.uint8 and found.shape == (3, HEIGHT, WIDTH)
    assert np.array_equal(found, resized_by_pillow(Image.open(path)))


def test_a_picture_of_the_right_size_is_not_touched(tmp_path):
    pixels = random_pixels(HEIGHT, WIDTH)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", HEIGHT, WIDTH), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_the_content_decides_and_is_as_good_as_a_file(tmp_path, kind):
    path = tmp_path / "a.jpg"  # whatever the format
    Image.fromarray(random_pixels(20, 20)).save(path, kind)
    with Image.open(path) as image:
        wanted = resized_by_pillow(image)
    for source in (path.read_bytes(), path, str(path)):
        assert np.array_equal(decode(source, HEIGHT, WIDTH), wanted)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "PNG"), ("L", "JPEG"), ("1", "PNG"), ("1", "TIFF"), ("P", "PNG"), ("P", "GIF"), ("P", "BMP"), ("L", "BMP")],
)
def test_grey_one_bit_and_palette_become_rgb(mode, kind):
    image = Image.fromarray(random_pixels(21, 17)).convert(mode)
    content = saved(image, kind)
    with Image.open(io.BytesIO(content)) as read:
        assert np.array_equal(decode(content, HEIGHT, WIDTH), resized_by_pillow(read))
        if kind != "JPEG":
            assert np.array_equal(np.asarray(read.convert("RGB")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF"), ("LA", "TIFF")])
def test_an_opaque_alpha_channel_is_left_away(mode, kind):
    image = Image.fromarray(random_pixels(21, 17)).convert(mode)
    assert np.array_equal(decode(saved(image, kind), HEIGHT, WIDTH), resized_by_pillow(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("grey", [1, 127, 128, 129, 255])
def test_an_even_picture_is_a_picture(kind, grey):
    image = Image.new("RGB", (40, 40), (grey, grey, grey))
    assert (decode(saved(image, kind), HEIGHT, WIDTH) == grey).all()


@pytest.mark.parametrize("orientation", [None, 1])
def test_a_tag_that_says_upright_is_fine(orientation):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    if orientation:
        exif[0x0112] = orientation
    assert decode(saved(smooth(), "JPEG", exif=exif), HEIGHT, WIDTH).any()


def test_a_picture_of_nearly_the_largest_size_is_not_refused_for_it():
    side = int(LARGEST**0.5)  # Pillow by itself warns of more than 89 megapixels
    with pytest.raises(DataError, match="truncated"):
        decode(png(side, side), HEIGHT, WIDTH)


# what is refused


def turned(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(smooth(), kind, exif=exif)


def turned_tiff() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[0x0112] = 3
    return saved(smooth(), "TIFF", tiffinfo=tags)


def with_hole(mode: str) -> Image.Image:
    image = Image.fromarray(random_pixels(21, 17)).convert("RGBA")
    image.putpixel((3, 4), (9, 9, 9, 254))
    return image.convert(mode)


def png(width: int, height: int, depth: int = 8, rows: bytes = b"") -> bytes:
    """A PNG in colours by hand, for what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def several(kind: str) -> bytes:
    frames = [Image.fromarray(random_pixels(8, 8, seed)) for seed in range(3)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:])


REFUSED = {
    "text": (b"no picture at all", "not a readable picture .neither JPEG"),
    "empty": (b"", "the file is empty"),
    "black": (saved(Image.new("RGB", (6, 6)), "PNG"), "entirely black"),
    "header only": (saved(smooth(), "JPEG")[:40], "not a readable picture"),
    "interrupted copy": (saved(smooth(), "JPEG")[:-300] + bytes(300), "cut off"),
    "a picture after a text": (b"#" + saved(smooth(), "PNG"), "not a readable picture"),
    "vector graphics": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable picture"),
    "CMYK JPEG": (saved(smooth().convert("CMYK"), "JPEG"), "its colours are CMYK; save it as RGB"),
    "CMYK TIFF": (saved(smooth().convert("CMYK"), "TIFF"), "its colours are CMYK"),
    "LAB": (saved(smooth().convert("LAB"), "TIFF"), "its colours are LAB"),
    "16-bit grey": (saved(Image.fromarray(np.full((8, 8), 3000, np.uint16)), "PNG"), "more than 8 bits"),
    "16-bit grey TIFF": (saved(Image.fromarray(np.full((8, 8), 3000, np.uint16)), "TIFF"), "more than 8 bits"),
    "16-bit colour": (png(2, 2, 16, (b"\0" + bytes(range(1, 13))) * 2), "more than 8 bits"),
    "32-bit": (saved(Image.fromarray(np.full((8, 8), 3000, np.int32)), "TIFF"), "more than 8 bits"),
    "float": (saved(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), "more than 8 bits"),
    "RGBA": (saved(with_hole("RGBA"), "PNG"), "parts of it are transparent"),
    "LA": (saved(with_hole("LA"), "PNG"), "parts of it are transparent"),
    "RGBA TIFF": (saved(with_hole("RGBA"), "TIFF"), "parts of it are transparent"),
    "transparent colour": (saved(Image.new("L", (9, 9), 7), "PNG", transparency=7), "parts of it are transparent"),
    "palette": (saved(smooth().convert("P"), "PNG", transparency=bytes(256)), "parts of it are transparent"),
    "turned JPEG": (turned("JPEG"), "Orientation is 6"),
    "turned PNG": (turned("PNG"), "Orientation is 6"),
    "turned WebP": (turned("WEBP"), "Orientation is 6"),
    "turned TIFF": (turned_tiff(), "Orientation is 3"),
    "GIF film": (several("GIF"), "several pictures"),
    "PNG film": (several("PNG"), "several pictures"),
    "WebP film": (several("WEBP"), "several pictures"),
    "TIFF pages": (several("TIFF"), "several pictures"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_ambiguous_or_damaged_is_refused_with_its_name(tmp_path, case):
    content, said = REFUSED[case]
    path = tmp_path / "R1_White.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        decode(path, HEIGHT, WIDTH)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(DataError, match=f"^sample: .*{said}"):
        decode(content, HEIGHT, WIDTH, "sample")


def test_a_huge_picture_is_refused_from_its_header(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    for width, height in ((20_000, 20_000), (10_001, 10_000)):
        with pytest.raises(DataError, match=f"{width} x {height} pixels are more than 100 megapixels"):
            decode(png(width, height), HEIGHT, WIDTH)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "a.bmp"
    with path.open("wb") as file:
        file.write(b"BM")
        file.truncate(10 * LARGEST)  # takes no space
    with pytest.raises(DataError, match=r"^[^:]*a\.bmp: not a readable picture \(1000 MB are more than any has\)$"):
        decode(path, HEIGHT, WIDTH)


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg: there is no such file"):
        decode(tmp_path / "gone.jpg", HEIGHT, WIDTH)


def test_a_folder_and_an_impossible_name_are_no_pictures(tmp_path):
    (tmp_path / "R1.jpg").mkdir()
    with pytest.raises(DataError, match=r"R1\.jpg: not a readable file"):
        decode(tmp_path / "R1.jpg", HEIGHT, WIDTH)
    with pytest.raises(DataError, match="not a readable file"):
        decode("R1\0.jpg", HEIGHT, WIDTH)


def test_a_program_that_lets_pillow_invent_rows_gets_no_scores(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DataError, match="LOAD_TRUNCATED_IMAGES"):
        decode(saved(smooth(), "PNG"), HEIGHT, WIDTH)


# what the header alone tells

NEEDS_PIXELS = {"black", "RGBA", "LA", "RGBA TIFF", "transparent colour", "palette"}


@pytest.fixture
def without_decoding(monkeypatch):
    for kind in (JpegImageFile, PngImageFile, TiffImagePlugin.TiffImageFile, ImageFile.ImageFile):
        monkeypatch.setattr(kind, "load", lambda _: pytest.fail("it was decoded"))


@pytest.mark.parametrize("case", sorted(REFUSED.keys() - NEEDS_PIXELS))
def test_the_header_is_refused_in_the_words_of_decoding(tmp_path, case):
    path = tmp_path / "R1.jpg"
    path.write_bytes(REFUSED[case][0])
    with pytest.raises(DataError) as decoded:
        decode(path, HEIGHT, WIDTH)
    with pytest.raises(DataError) as looked_at:
        read_size(path)
    assert str(looked_at.value) == str(decoded.value)


@pytest.mark.parametrize("case", sorted(NEEDS_PIXELS))
def test_the_header_is_read_without_the_pixels(tmp_path, case, without_decoding):
    path = tmp_path / "R1.jpg"
    path.write_bytes(REFUSED[case][0])
    width, height = read_size(path)
    assert 6 <= width <= 53 and 6 <= height <= 53


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_the_size_is_width_and_height(tmp_path, kind, without_decoding):
    (tmp_path / "R1").write_bytes(saved(smooth(21, 34), kind))
    assert read_size(tmp_path / "R1") == (34, 21)


@pytest.mark.parametrize("added", [0, 100, 5000, 100_000])
def test_the_end_of_a_jpeg_is_found_behind_what_programs_add(tmp_path, added):
    content = saved(smooth(300, 300), "JPEG", quality=95)
    path = tmp_path / "R1.jpg"
    path.write_bytes(content + bytes(added))
    assert read_size(path) == (300, 300)
    path.write_bytes(content[:-2] + bytes(added))
    with pytest.raises(DataError, match="cut off"):
        read_size(path)


def test_a_tag_behind_the_pixels_of_a_png_turns_it_too(tmp_path):
    content = turned("PNG")
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    behind = content.index(b"IEND") - 4
    path = tmp_path / "R1.png"
    path.write_bytes(content[:start] + content[end:behind] + content[start:end] + content[behind:])
    assert read_size(path) == (53, 41)
    with pytest.raises(DataError, match="Orientation is 6"):
        decode(path, HEIGHT, WIDTH)


def test_no_header_of_what_is_missing_huge_or_no_file(tmp_path):
    for name, said in (("gone.jpg", "there is no such file"), ("", "not a readable file"), ("a\0", "not a readable")):
        with pytest.raises(DataError, match=said):
            read_size(f"{tmp_path}/{name}")
    with (tmp_path / "a.bmp").open("wb") as file:
        file.truncate(10 * LARGEST)
    with pytest.raises(DataError, match=r"^[^:]*a\.bmp: not a readable picture \(1000 MB"):
        read_size(tmp_path / "a.bmp")


# cut off


def outcomes(content: bytes, places: Iterator[int] | range, ending: bytes = b"") -> list[tuple[int, bool]]:
    """For each place where a file is cut and which is accepted all the same: the place, and if the pixels are true."""
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    whole = decode(content, height, width)
    found = []
    for place in places:
        try:
            got = decode(content[:place] + ending, height, width)
        except DataError:
            continue
        found.append((place, np.array_equal(got, whole)))
    return found


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_wherever_a_file_is_cut_no_false_pixel_comes_of_it(kind, values):
    content = saved(smooth(), kind, **values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow about TIFF
        accepted = outcomes(content, range(0, len(content), 1 if len(content) < 2500 else 7))
    assert all(true for _, true in accepted)  # cut after the last pixel
    assert len(accepted) < 25


@pytest.mark.parametrize("size", [(41, 53), (48, 48), (33, 17)])
@pytest.mark.parametrize("values", [{"subsampling": 0}, {"subsampling": 2}, {"optimize": True}])
def test_a_cut_jpeg_with_a_forged_end_is_found_out_but_for_its_last_block(size, values):
    image = smooth(*size)
    content = saved(image, "JPEG", **{"quality": 92, **values})
    start = content.rfind(b"\xff\xda") + 14
    accepted = outcomes(content, range(start, len(content) - 2), b"\xff\xd9")
    side = 8 if values.get("subsampling") == 0 else 16
    with Image.open(io.BytesIO(content)) as whole:
        kept = np.asarray(whole).astype(int)
    height, width = ((full - 1) // side * side for full in size)
    for place, true in accepted:
        with JpegImageFile(io.BytesIO(content[:place] + b"\xff\xd9")) as cut:
            wrong = (np.asarray(cut).astype(int) != kept).any(axis=2)
        # one sample beside it: colours are blended across its edge
        assert true or not (wrong[: max(0, height - 2)].any() or wrong[:, : max(0, width - 2)].any())
    assert len(accepted) < 0.1 * (len(content) - start) + 90


def test_a_cut_progressive_jpeg_with_a_forged_end_is_found_out_within_its_scans():
    content = saved(smooth(64, 64), "JPEG", quality=92, progressive=True)
    last = content.rfind(b"\xff\xda") + 10
    assert outcomes(content, range(last, len(content) - 20), b"\xff\xd9") == []


@pytest.mark.parametrize("values", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
@pytest.mark.parametrize("size", [(40, 40), (33, 17), (8, 8), (1, 1)])
def test_a_whole_jpeg_that_ends_in_grey_is_accepted(values, size):
    pixels = np.asarray(smooth(*size)).copy()
    pixels[-24:, -24:] = 128
    content = saved(Image.fromarray(pixels), "JPEG", **values)
    for more in (b"", b"\0" * 50, b"a camera's own data " * 9):
        found = decode(content + more, *size)
        assert np.array_equal(found.transpose(1, 2, 0), np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_damage_anywhere_gives_pixels_or_a_data_error_and_nothing_else(kind):
    content = bytearray(saved(smooth(20, 20), kind))
    luck = random.Random(0)
    for _ in range(150):
        broken = content.copy()
        for _ in range(luck.choice((1, 3, 20))):
            broken[luck.randrange(min(len(broken), luck.choice((40, len(broken)))))] = luck.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter(luck.choice(("ignore", "error")))
            try:
                assert decode(bytes(broken), 4, 4).shape == (3, 4, 4)
            except DataError as error:
                assert str(error).startswith("the picture: ")


# pixels


def test_a_single_bright_pixel_is_not_black():
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[3, 4, 1] = 1
    assert as_picture(pixels, HEIGHT, WIDTH, "p").sum() == 1


@pytest.mark.parametrize(
    "pixels",
    [
        np.ones((4, 4), np.uint8),
        np.ones((4, 4, 4), np.uint8),
        np.ones((4, 4, 3), np.float32),
        np.full((4, 4, 3), np.nan),
        np.ones((4, 4, 3), np.bool_),
        np.ones((4, 4, 3), np.uint16),
        np.ones((0, 4, 3), np.uint8),
    ],
)
def test_pixels_of_another_kind_are_refused(pixels):
    with pytest.raises(DataError, match=r"sample: expected uint8 \[H, W, 3\]"):
        as_picture(pixels, 4, 4, "sample")


# the short way for JPEGs


@pytest.mark.parametrize("size", [(7, 5), (33, 31), (64, 48), (101, 100)])
@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_short_way_gives_pillows_pixels(size, sampling, progressive):
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(rough).resize((size[1] // 3 + 1, size[0] // 3 + 1)).resize(size[::-1]))
    for pixels in (rough, soft, soft[..., 0]):
        for quality in (30, 85, 100):
            content = saved(
                Image.fromarray(pixels), "JPEG", quality=quality, subsampling=sampling, progressive=progressive
            )
            wanted = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            np.testing.assert_array_equal(decoding._plain_jpeg(content), wanted)


def test_what_might_be_turned_or_has_other_colours_takes_the_long_way():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    tags = Image.Exif()
    tags[0x0112] = 6
    assert decoding._plain_jpeg(saved(Image.fromarray(pixels), "JPEG", exif=tags)) is None
    assert decoding._plain_jpeg(saved(Image.fromarray(pixels).convert("CMYK"), "JPEG")) is None
    content = saved(Image.fromarray(pixels), "JPEG")
    assert decoding._plain_jpeg(content) is not None
    assert decoding._plain_jpeg(content[: len(content) // 2] + b"\xff\xd9") is None


def test_real_pictures_are_pillows_to_the_last_bit(real_data):
    files = sorted(path for folder in ("deeppcb_oi", "lookout_oi") for path in (real_data / folder).rglob("*.jpg"))
    assert len(files) > 1000
    for file in files[:: len(files) // 400]:
        wanted = np.asarray(Image.open(file).convert("RGB"))
        np.testing.assert_array_equal(decoding._plain_jpeg(file.read_bytes()), wanted)
