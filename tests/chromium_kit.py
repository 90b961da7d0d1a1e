"""A real browser for tests: headless Chromium, its profile in the test's own folder, no network."""

import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

from browser_kit import BROWSER

Colour = tuple[int, int, int]


def document_of(page: Path) -> str:
    """Return the page's document as it stands once its scripts, if any may run, have run."""
    return _run(page, "--dump-dom").stdout


def colours_of(page: Path, *, size: tuple[int, int] = (640, 1000)) -> Counter[Colour]:
    """Return how many pixels of a window each colour has."""
    picture = page.with_suffix(".png")
    _run(page, f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}")
    return _colours(picture.read_bytes())


def _run(page: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    assert BROWSER is not None
    # Frames are drawn by the process of their page: of those in another, a picture may be taken too early.
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-features=IsolateSandboxedIframes",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={page.parent / 'profile'}",
        *arguments,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def _colours(png: bytes) -> Counter[Colour]:
    """Read a PNG of 8 bits a channel without interlacing, which is what Chromium writes."""
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", png[16:29])
    assert (depth, interlaced) == (8, 0)
    channels = {2: 3, 6: 4}[kind]
    data = zlib.decompress(b"".join(_chunks(png, b"IDAT")))
    stride = width * channels
    found: Counter[Colour] = Counter()
    above = bytearray(stride)
    for row in range(height):
        start = row * (stride + 1)
        line = _unfiltered(data[start], bytearray(data[start + 1 : start + 1 + stride]), above, channels)
        found.update(zip(line[0::channels], line[1::channels], line[2::channels], strict=True))
        above = line
    return found


def _chunks(png: bytes, name: bytes) -> list[bytes]:
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == name:
            found.append(png[place + 8 : place + 8 + length])
        place += length + 12
    return found


def _unfiltered(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    if kind == 0:
        return line
    for place, value in enumerate(line):
        left = line[place - channels] if place >= channels else 0
        corner = above[place - channels] if place >= channels else 0
        guess = (0, left, above[place], (left + above[place]) // 2, _paeth(left, above[place], corner))[kind]
        line[place] = (value + guess) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda each: abs(estimate - each))
