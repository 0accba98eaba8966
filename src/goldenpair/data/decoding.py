"""From the content of a picture file to pixels, or to the reason why not.

What can be converted without loss is converted. A picture that programs read in different ways (turned by a tag,
transparent, several frames, more than 8 bits, inks instead of colours) is refused with advice: to guess would mean to
score something that nobody has seen. The content decides on the format, the name does not.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from goldenpair.errors import DataError

LARGEST = 100_000_000
"""Pixels of the largest picture that is decoded."""
_LARGEST_FILE = 8 * LARGEST  # bytes; even uncompressed a picture is smaller
_PNG_DEPTH = 24  # where a PNG says how many bits a channel has
_START = _PNG_DEPTH + 1  # bytes that say what a file is
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_JPEG_TAIL = 4096  # bytes in which the end of a JPEG is looked for first
_TURNS = (b"Exif", b"Orientation")  # in a header that may ask for the picture to be turned
_JPEG_NOISE = bytes(range(255)) * 16  # data without a marker, also behind a byte FF
_CUT_OFF = "it is cut off (its end is missing)"
_GREY, _NEAR_GREY = 128, 2
# not Image.open: it tries rarer formats too, some through other programs, and warns of large pictures by itself
_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"GIF8", GifImageFile),
    (b"RIFF", WebPImageFile),
)
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
# what Pillow's decoders raise on damaged files; its warnings become errors where a program wants that
_UNREADABLE = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, LookupError, TypeError, MemoryError, Warning)


def decode(source: str | Path | bytes, height: int, width: int, name: str = "") -> NDArray[np.uint8]:
    """A picture as uint8 [3, height, width] RGB, resized as TAO does it (Pillow, bilinear with antialiasing).

    Raises DataError, which says what to do, for a file that is missing, no picture, damaged or cut off, for a picture
    that could be read in more than one way, that is larger than `LARGEST`, or that is entirely black: the score of
    such a picture would mean nothing. `name` is what the message calls a picture without a path.
    """
    name = name or "the picture" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else read(source)
    with _refusing(name):
        pixels = _pixels(content, name)
    return as_picture(pixels, height, width, name)


def decode_values(path: str | Path) -> NDArray[np.uint8]:
    """The numbers in a picture file of one channel as they are stored: uint8 [H, W]; of a palette, the indices.

    Where a pixel is one bit these are 0 and 255. Raises DataError, as `decode` does, for a file that cannot be read or
    could be read in more than one way, and for one that has colours or is a JPEG: that changes numbers.
    """
    name, content = str(path), read(path)
    with _refusing(name):
        reader = _reader(content[:_START], name)
        if reader is JpegImageFile:
            raise DataError(f"{name}: it is a JPEG, which does not keep numbers as they were; save it as PNG")
        with reader(BytesIO(content)) as image:
            if objection := _objection(image, content) or _turned(image.getexif()):
                raise DataError(f"{name}: {objection}")
            if image.mode in ("L", "P"):
                return np.asarray(image)
            pixels = np.asarray(image.convert("RGB"))
    if (pixels != pixels[..., :1]).any():
        raise DataError(f"{name}: it has colours, where one channel of numbers is expected")
    return pixels[..., 0]


def read_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture file, of which only the header is read, of a JPEG its last bytes as well.

    Raises DataError, in the words of `decode`, for whatever that would refuse before it decodes.
    """
    name = str(path)
    with _opened(path) as (file, size), _refusing(name):
        start = file.read(_START)
        reader = _reader(start, name)
        if reader is JpegImageFile and not _has_end(file, size):
            raise DataError(f"{name}: {_CUT_OFF}")
        file.seek(0)
        with reader(file) as image:
            # a PNG's own getexif decodes the pixels, to find tags behind them
            if objection := _objection(image, start) or _turned(Image.Image.getexif(image)):
                raise DataError(f"{name}: {objection}")
            return image.size


def read(path: str | Path) -> bytes:
    """The content of a picture file; DataError if there is none."""
    with _opened(path) as (file, _):
        return file.read()


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[IO[bytes], int]]:
    """A file and its size in bytes."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LARGEST_FILE:
                raise DataError(f"{path}: not a readable picture ({size / 1e6:.0f} MB are more than any has)")
            yield file, size
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: not a readable file ({reason})") from None


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """What Pillow raises on a damaged file becomes a DataError."""
    try:
        yield
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"{name}: not a readable picture ({error})") from None


def as_picture(pixels: NDArray[np.uint8], height: int, width: int, name: str) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] pixels as uint8 [3, height, width]; DataError if they are entirely black."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise DataError(f"{name}: expected uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    if not pixels.any():
        raise DataError(f"{name}: it is entirely black")
    if pixels.shape[:2] != (height, width):
        resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _pixels(content: bytes, name: str) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] of a file's content."""
    reader = _reader(content[:_START], name)
    end = 0
    if reader is JpegImageFile:
        end = _jpeg_end(content)
        if end < 0:
            raise DataError(f"{name}: {_CUT_OFF}")
        if (plain := _plain_jpeg(content)) is not None:
            return plain
    with reader(BytesIO(content)) as image:
        if objection := _objection(image, content) or _turned(image.getexif()):
            raise DataError(f"{name}: {objection}")
        image.load()
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
            raise DataError(f"{name}: parts of it are transparent; save it without transparency")
        pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        if isinstance(image, JpegImageFile) and ("progressive" in image.info or _ends_grey(pixels)):
            noisy = content[:end] + _JPEG_NOISE + _JPEG_END
            if not _same_jpeg(noisy, pixels):
                raise DataError(f"{name}: it is cut off (its last rows are missing)")
    return pixels


def _reader(start: bytes, name: str) -> type[ImageFile.ImageFile]:
    """Pillow's class for a file that begins so; DataError for what is no picture."""
    if not start:
        raise DataError(f"{name}: not a readable picture (the file is empty)")
    reader = next((reader for mark, reader in _READERS if start.startswith(mark)), None)
    if reader is None:
        raise DataError(f"{name}: not a readable picture (neither JPEG, PNG, BMP, TIFF, GIF nor WebP)")
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            f"{name}: this program has set PIL.ImageFile.LOAD_TRUNCATED_IMAGES, with which pictures that are cut off "
            "look whole; set it to False"
        )
    return reader


def _jpeg_end(content: bytes) -> int:
    """Where the marker stands that ends the last scan, -1 if nowhere; 0 without any scan."""
    scan = content.rfind(_JPEG_SCAN)
    return content.find(_JPEG_END, scan) if scan >= 0 else 0  # thumbnails in front of it have ends too


def _has_end(file: IO[bytes], size: int) -> bool:
    """The same question to a file, of which seldom more than the last bytes have to be read."""
    file.seek(max(0, size - _JPEG_TAIL))
    tail = file.read()
    if tail.find(_JPEG_END, max(0, tail.rfind(_JPEG_SCAN))) >= 0:
        return True
    file.seek(0)
    return _jpeg_end(file.read()) >= 0


def _plain_jpeg(content: bytes) -> NDArray[np.uint8] | None:
    """An ordinary JPEG without anything to object to, or None: Pillow's pixels in a quarter of its time.

    Both use libjpeg-turbo; it is asked here to take every irregularity of the data for an error, a forged end too.
    """
    head = content[: content.find(_JPEG_SCAN)]
    if any(word in head for word in _TURNS):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if height * width > LARGEST or colours not in ("YCbCr", "Gray"):
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB", strict=True)
    except ValueError:
        return None
    return pixels


def _objection(image: ImageFile.ImageFile, start: bytes) -> str:
    """What the header says against a picture, with advice; empty if nothing. Nothing is decoded for it.

    `start` are the file's first bytes.
    """
    if image.width * image.height > LARGEST:
        size = f"{image.width} x {image.height} pixels"
        return f"{size} are more than {LARGEST / 1e6:.0f} megapixels; save a smaller one or the part's own section"
    if getattr(image, "is_animated", False):
        return "it holds several pictures; save the one that is meant as a file of its own"
    deep = (isinstance(image, PngImageFile) and start[_PNG_DEPTH] > 8) or (
        isinstance(image, TiffImageFile) and max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
    )
    if deep or image.mode.startswith(("I", "F")):
        return f"its pixels have more than 8 bits ({image.mode}); save it with 8 bits"
    if image.mode not in _MODES:
        return f"its colours are {image.mode}; save it as RGB or grey"
    return ""


def _turned(tags: Image.Exif) -> str:
    turned = tags.get(ExifTags.Base.Orientation, 1)
    if turned in (0, 1):
        return ""
    return (
        f"its tag Orientation is {turned}: viewers turn such a picture and other programs do not; turn the pixels "
        "themselves and remove the tag"
    )


def _ends_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether the last block is as a decoder fills in what is missing from a JPEG: with brightness 128 throughout.

    Colours are left aside, which are blended with those of the block before.
    """
    weights = (0.299, 0.587, 0.114)
    corner = sum(weight * int(value) for weight, value in zip(weights, pixels[-1, -1], strict=True))
    if abs(corner - _GREY) > _NEAR_GREY:
        return False
    block = pixels[(pixels.shape[0] - 1) // 8 * 8 :, (pixels.shape[1] - 1) // 8 * 8 :]
    return bool((np.abs(block @ np.array(weights) - _GREY) <= _NEAR_GREY).all())


def _same_jpeg(content: bytes, pixels: NDArray[np.uint8]) -> bool:
    """Whether a JPEG with noise put before its end marker still decodes to `pixels`.

    A decoder that has had all it needs does not read the noise; one that lacks rows takes it for them. So a picture
    is found out that was cut off and then given an end marker, down to one block that is missing. A part of a block,
    or whole scans of a progressive picture, cannot be told from a picture that was made so.
    """
    with JpegImageFile(BytesIO(content)) as image:
        return bool(np.array_equal(np.asarray(image.convert("RGB")), pixels))
