import struct
import zlib
from io import BytesIO

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="the extra content is not installed")

from coterie.content import encoders  # noqa: E402
from coterie.content.pictures import (  # noqa: E402
    COLOURS,
    PictureSettings,
    colours_of,
    open_picture,
)
from coterie.errors import BadInputError  # noqa: E402


def saved(picture, kind="PNG", **options):
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def disc(colour, size=96, background="white"):
    y, x = np.mgrid[:size, :size] - size / 2
    inside = (x**2 + y**2) < (size / 3) ** 2
    picture = Image.new("RGB", (size, size), background)
    picture.paste(Image.new("RGB", (size, size), colour), mask=Image.fromarray(inside))
    return picture


def bomb(side):
    """A PNG whose header says side x side pixels, in a few bytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def test_a_picture_is_nearest_to_its_own_copy_in_another_format(pictures_encoder):
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    shown = [disc("red"), disc("blue", background="yellow"), Image.fromarray(noise)]
    first = pictures_encoder.encode([saved(one) for one in shown])
    again = pictures_encoder.encode([saved(one, "JPEG", quality=80) for one in shown])
    assert not first.faults
    assert first.vectors.shape == (3, pictures_encoder.width)
    assert (again.vectors @ first.vectors.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_one_bad_picture_spoils_no_other(pictures_encoder):
    good = saved(disc("green"))
    found = pictures_encoder.encode([good, b"no picture", good[:-40], good])
    assert sorted(found.faults) == [1, 2]
    assert "no picture of JPEG" in found.faults[1]
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx([1, 0, 0, 1], abs=1e-5)
    assert found.vectors[0] == pytest.approx(found.vectors[3], abs=1e-5)


@pytest.mark.parametrize("side", [7_000, 11_000, 60_000])
def test_a_picture_that_would_unpack_to_gigabytes_is_refused_by_its_header(side):
    with pytest.raises(BadInputError, match=r"pixels: at most \d+ are read"):
        open_picture(bomb(side))


def test_formats_that_shops_do_not_use_are_refused():
    with pytest.raises(BadInputError, match="no picture of"):
        open_picture(saved(disc("red"), "TIFF"))


def test_what_is_transparent_is_white():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert open_picture(saved(clear)).getpixel((3, 3)) == (255, 255, 255)


def test_colours_are_counted():
    red = colours_of(Image.new("RGB", (10, 10), (255, 0, 0)))
    assert red.shape == (COLOURS,)
    assert red.nonzero()[0].tolist() == [48]
    half = Image.new("RGB", (10, 10), (255, 0, 0))
    half.paste((0, 0, 255), (0, 0, 5, 10))
    assert np.square(colours_of(half)).sum() == pytest.approx(1)
    assert float(red @ colours_of(half)) == pytest.approx(0.5**0.5, abs=0.05)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(BadInputError, match="colour is -1"):
        PictureSettings(colour=-1)
    with pytest.raises(BadInputError, match="side is 32 pixels: expected 64 to 448"):
        PictureSettings(side=32)


def test_small_pictures_may_be_looked_at_small_as_by_another_encoder(pictures_encoder):
    small = encoders.make_encoder("image", encoders.EncoderChoice("default", side=96))
    usual = encoders.make_encoder("image", encoders.EncoderChoice("default"))
    assert usual.digest == pictures_encoder.digest != small.digest
    shown = [saved(disc(colour)) for colour in ("red", "blue", "green")]
    found = small.encode(shown).vectors
    assert found.shape == (3, pictures_encoder.width)
    assert (found @ small.encode(shown[::-1]).vectors.T).argmax(axis=1).tolist() == [2, 1, 0]
    assert np.abs(found - pictures_encoder.encode(shown).vectors).max() > 0.01
