"""Pictures are drawn anew: the points, upright and in sRGB, and nothing else of the file."""

from contextlib import suppress
from io import BytesIO

from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from adapters.attached.ending import refuse

MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000
QUALITY = 92
_FORMATS = ("JPEG", "PNG", "WEBP")
_DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L"})
PLUGINS = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
"""Loaded before the child may open no file any more, as what Pillow itself loads at its first picture."""
Image.preinit()


def clean_picture(data: bytes) -> tuple[str, bytes]:
    """Return the media type and the bytes of the picture drawn anew: PNG where points can be clear, else JPEG.

    What a camera, a telephone or a program wrote beside the points (EXIF, position, names, comments, thumbnails, profiles)
    is not carried over, because only the points are.
    """
    Image.MAX_IMAGE_PIXELS = None  # counted here, before anything is unfolded
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as found:
            _check(found)
            found.load()
            clear = "A" in found.getbands() or "transparency" in found.info
            drawn = _points(_srgb(_upright(found)), "RGBA" if clear else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError):
        refuse("picture-not-readable")
    out = BytesIO()
    if clear:
        drawn.save(out, "PNG")
        return "image/png", out.getvalue()
    drawn.save(out, "JPEG", quality=QUALITY)
    return "image/jpeg", out.getvalue()


def _check(found: Image.Image) -> None:
    width, height = found.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        refuse("picture-too-many-pixels")
    # A telephone's still photograph is often an MPO: the photograph, then a map of its light. The first is what is seen.
    if getattr(found, "n_frames", 1) > 1 and found.format != "MPO":
        refuse("picture-moves")
    if found.mode in _DEEP:
        refuse("picture-not-readable")


def _upright(picture: Image.Image) -> Image.Image:
    with suppress(OSError, ValueError, SyntaxError, KeyError, TypeError):  # EXIF that is none says nothing of what is up
        return ImageOps.exif_transpose(picture)
    return picture


def _srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in {"RGB", "CMYK"}:
        return picture
    with suppress(ImageCms.PyCMSError, OSError):  # a profile that is none: the points as they stand
        source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
        return picture if converted is None else converted
    return picture


def _points(picture: Image.Image, mode: str) -> Image.Image:
    converted = picture if picture.mode == mode else picture.convert(mode)
    return Image.frombytes(mode, converted.size, converted.tobytes())
