"""From the content of a picture file to pixels, or to the reason why not.

What can be converted without loss is converted. A picture that programs read in different ways (turned by a tag,
transparent, several frames, more than 8 bits, inks instead of colours) is refused with advice: to guess would mean to
score something that nobody has seen. The content decides on the format, the name does not.
"""

import os
from io import BytesIO
from pathlib import Path

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
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_TURNS = (b"Exif", b"Orientation")  # in a header that may ask for the picture to be turned
_JPEG_NOISE = bytes(range(255)) * 16  # data without a marker, also behind a byte FF
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
    try:
        pixels = _pixels(content, name)
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"{name}: not a readable picture ({error})") from None
    return as_picture(pixels, height, width, name)


def read(path: str | Path) -> bytes:
    """The content of a picture file; DataError if there is none."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LARGEST_FILE:
                raise DataError(f"{path}: not a readable picture ({size / 1e6:.0f} MB are more than any has)")
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path}: not a readable file ({reason})") from None


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
    if not content:
        raise DataError(f"{name}: not a readable picture (the file is empty)")
    reader = next((reader for start, reader in _READERS if content.startswith(start)), None)
    if reader is None:
        raise DataError(f"{name}: not a readable picture (neither JPEG, PNG, BMP, TIFF, GIF nor WebP)")
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DataError(
            f"{name}: this program has set PIL.ImageFile.LOAD_TRUNCATED_IMAGES, with which pictures that are cut off "
            "look whole; set it to False"
        )
    end = 0
    if reader is JpegImageFile and (scan := content.rfind(_JPEG_SCAN)) >= 0:
        end = content.find(_JPEG_END, scan)  # thumbnails in front of it have ends too
        if end < 0:
            raise DataError(f"{name}: it is cut off (its end is missing)")
        if (plain := _plain_jpeg(content)) is not None:
            return plain
    with reader(BytesIO(content)) as image:
        if objection := _objection(image, content):
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


def _objection(image: ImageFile.ImageFile, content: bytes) -> str:
    """What the header says against a picture, with advice; empty if nothing. Nothing is decoded for it."""
    if image.width * image.height > LARGEST:
        size = f"{image.width} x {image.height} pixels"
        return f"{size} are more than {LARGEST / 1e6:.0f} megapixels; save a smaller one or the part's own section"
    if getattr(image, "is_animated", False):
        return "it holds several pictures; save the one that is meant as a file of its own"
    deep = (isinstance(image, PngImageFile) and content[_PNG_DEPTH] > 8) or (
        isinstance(image, TiffImageFile) and max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
    )
    if deep or image.mode.startswith(("I", "F")):
        return f"its pixels have more than 8 bits ({image.mode}); save it with 8 bits"
    if image.mode not in _MODES:
        return f"its colours are {image.mode}; save it as RGB or grey"
    turned = image.getexif().get(ExifTags.Base.Orientation, 1)
    if turned not in (0, 1):
        return (
            f"its tag Orientation is {turned}: viewers turn such a picture and other programs do not; turn the pixels "
            "themselves and remove the tag"
        )
    return ""


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
