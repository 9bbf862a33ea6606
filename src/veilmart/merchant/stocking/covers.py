"""Covers: any picture is converted to a small JPEG without metadata.

Hidden data of a camera or an editor (place, time, name, thumbnail) is removed, and one encoder
wrote every cover that customers receive. Pillow is imported only when a cover is made.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from veilmart.errors import BadSourceFile
from veilmart.limits import COVER_MAX_BYTES

if TYPE_CHECKING:
    from PIL import Image

COVER_SIDE_PIXELS = 480
_FILE_MAX_BYTES = 32 * 1024 * 1024
_PIXELS_MAX = 50_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_QUALITIES = (82, 70, 55, 40, 25)


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Raises BadSourceFile when it cannot be read or is longer."""
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as fault:
        raise BadSourceFile(f"{path}: {fault.strerror}.") from fault
    if len(data) > max_bytes:
        raise BadSourceFile(f"{path} has more than {max_bytes} bytes.")
    return data


def encode_cover(path: Path) -> bytes:
    """JPEG of at most 480 by 480 pixels and 48 KiB. Raises BadSourceFile."""
    data = read_bounded(path, _FILE_MAX_BYTES)
    try:
        picture = _decode(data)
    except Exception as fault:  # the decoder's own errors are of many kinds
        raise BadSourceFile(f"{path} is not a picture that can be read.") from fault
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= COVER_MAX_BYTES:
            return out.getvalue()
    raise BadSourceFile(f"{path} does not fit into {COVER_MAX_BYTES} bytes.")


def _decode(data: bytes) -> "Image.Image":
    """Upright, small, on white. Raises whatever the decoder does; too many pixels too."""
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _PIXELS_MAX:
                raise BadSourceFile("Too many pixels.")
            opened.draft("RGB", (2 * COVER_SIDE_PIXELS, 2 * COVER_SIDE_PIXELS))
            picture = _on_white(ImageOps.exif_transpose(opened))
    picture.thumbnail((COVER_SIDE_PIXELS, COVER_SIDE_PIXELS))
    return picture


def _on_white(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    layered = picture.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")
