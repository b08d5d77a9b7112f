"""Pictures, resized and encoded by Pillow."""

from __future__ import annotations

import functools
from io import BytesIO
from typing import TYPE_CHECKING

from .extra import missing

if TYPE_CHECKING:
    from PIL.Image import Image


def unavailable() -> tuple[str, str] | None:
    """Say why Pillow can't be had here."""
    return missing("PIL")


def resize(width: int) -> tuple[int, int]:
    """Return the size of a picture after making it half as large."""
    return shrunk(picture(width)).size


def encode(width: int) -> int:
    """Return the size of a picture as a JPEG, in bytes."""
    return len(jpeg(picture(width)))


@functools.cache
def picture(width: int) -> Image:
    """Return a picture of smooth colours, three quarters as high as wide."""
    from PIL import Image

    slope = Image.linear_gradient("L")
    colours = Image.merge("RGB", (slope, slope.rotate(90), Image.radial_gradient("L")))
    return colours.resize((width, width * 3 // 4))


def shrunk(image: Image) -> Image:
    """Return the picture half as large, as thumbnails are made."""
    from PIL.Image import Resampling

    return image.resize((image.width // 2, image.height // 2), Resampling.LANCZOS)


def jpeg(image: Image) -> bytes:
    """Return the picture as a JPEG."""
    file = BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()
