"""A poster of the Mandelbrot set, and the PNG encoder that writes it."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from veilmart.demo.goods.good import Good, Recipe

WIDTH, HEIGHT = 1920, 1440
_LEFT, _RIGHT = -2.25, 0.95
_ROUNDS = 160
_ESCAPE = 64.0
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# colours along the palette, 0 to 1, as red, green, blue
_STOPS = (
    (0.00, (6, 10, 40)),
    (0.18, (24, 70, 140)),
    (0.38, (90, 180, 210)),
    (0.55, (245, 240, 215)),
    (0.75, (235, 150, 45)),
    (0.90, (110, 25, 30)),
    (1.00, (6, 10, 40)),
)


def escape_times() -> NDArray[np.float64]:
    """HEIGHT/2 x WIDTH smoothed rounds until escape, 0 inside; the lower half mirrors it."""
    step = (_RIGHT - _LEFT) / WIDTH
    x = _LEFT + (np.arange(WIDTH) + 0.5) * step
    y = (np.arange(HEIGHT // 2)[::-1] + 0.5) * step
    c = (x[None, :] + 1j * y[:, None]).ravel()
    times = np.zeros(c.size)
    # the large cardioid and the disc beside it never escape: no need to try
    q = (c.real - 0.25) ** 2 + c.imag**2
    inside = q * (q + c.real - 0.25) <= 0.25 * c.imag**2
    inside |= (c.real + 1) ** 2 + c.imag**2 <= 0.0625
    left = np.flatnonzero(~inside)
    c = c[left]
    z = c.copy()
    for round_number in range(1, _ROUNDS + 1):
        squared = z.real**2 + z.imag**2
        out = squared > _ESCAPE
        if out.any():
            smooth = np.log2(np.log2(squared[out]) / np.log2(_ESCAPE))
            times[left[out]] = round_number + 1 - smooth
            left, c, z = left[~out], c[~out], z[~out]
        z *= z
        z += c
    return times.reshape(HEIGHT // 2, WIDTH)


def colours(times: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Smoothed rounds → the same shape x 3 colour bytes; points inside are black."""
    place = np.mod(np.log1p(times) * 0.62, 1.0)
    stops = [at for at, _ in _STOPS]
    shades = [np.interp(place, stops, [rgb[i] for _, rgb in _STOPS]) for i in range(3)]
    image = np.stack(shades, axis=-1)
    image[times == 0] = 0
    return np.round(image).astype(np.uint8)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """H x W x 3 bytes → PNG (ISO/IEC 15948), eight bits a channel, rows filtered by Up."""
    height, width, _ = image.shape
    rows = image.reshape(height, width * 3)
    filtered = np.empty((height, width * 3 + 1), dtype=np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    # bytes wrap around modulo 256, as the filter wants it
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 6)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def mandelbrot_poster() -> bytes:
    """PNG, WIDTH x HEIGHT."""
    upper = colours(escape_times())
    return encode_png(np.concatenate((upper, upper[::-1])))


RECIPES = (
    Recipe(
        Good(
            "mandelbrot-poster.png",
            "Poster of the Mandelbrot set",
            f"The whole set in {WIDTH} x {HEIGHT} points with smooth colours.",
        ),
        mandelbrot_poster,
    ),
)
