"""A poster of the Mandelbrot set."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from veilmart.demo.goods.good import Good, Recipe

WIDTH, HEIGHT = 1920, 1440
_LEFT, _RIGHT = -2.25, 0.95
_ROUNDS = 160
_ESCAPE = 64.0
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


def mandelbrot_poster() -> bytes:
    """PNG, WIDTH x HEIGHT."""
    upper = colours(escape_times())
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate((upper, upper[::-1]))).save(buffer, "png")
    return buffer.getvalue()


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
