"""QR codes as pictures for pages."""

import segno


def qr_picture(text: str, *, scale: int, error: str = "l") -> str:
    """An SVG as a data address. Its ground is white: in a dark page scanners need it.

    scale: pixels of a module. error: level of error correction, one of l, m, q, h.
    """
    code = segno.make(text, micro=False, error=error, boost_error=True)
    return code.svg_data_uri(scale=scale, border=2, light="white")
