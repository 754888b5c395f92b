"""Bytes and texts made worse: what damage does to them, and what somebody does on purpose."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

# What lengths, counts and sizes are set to.
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
INTERESTING = (
    "-1",
    "0",
    "1e999",
    "-1e-999",
    "NaN",
    "Infinity",
    "nan",
    "inf",
    "9" * 400,
    "0x7fffffffffffffff",
    "9223372036854775808",
    "1.7976931348623157e308",
    "4294967296",
    "null",
    "true",
    '""',
    "[]",
    "{}",
    '"\\ud800"',
    '"\\u0000"',
    "../../../../etc/hostname",
    "/dev/null",
    "%s%n%x",
    "\u202e\u2028\u0085",
    "${HOME}",
    "2026-02-30T25:61:61Z",
)
BAD_BYTES = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\r",
    b"\r\n",
    b"\x1b[2J",
)
BRACKETS = (
    (b"[", b"]"),
    (b"{", b"}"),
    (b'{"a":', b"}"),
    (b"(", b")"),
    (b"<a>", b"</a>"),
    (b"a.", b""),
)
MOST_BYTES = 4 << 20

Change = Callable[[random.Random, bytes], bytes]


def mutated(chance: random.Random, seeds: Sequence[bytes], *, text: bool) -> bytes:
    """One of the seeds, changed once to eight times; one in fifty stays as it is.

    What comes out depends on the state of `chance` and the seeds alone.
    """
    data = chance.choice(seeds)
    if chance.random() < 0.02:
        return data
    changes = [*TEXT_CHANGES, *BINARY_CHANGES[:3]] if text else list(BINARY_CHANGES)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        if chance.random() < 0.08:
            data = spliced(chance, data, chance.choice(seeds))
        else:
            data = chance.choice(changes)(chance, data)
    return data[:MOST_BYTES]


def spliced(chance: random.Random, first: bytes, second: bytes) -> bytes:
    """The beginning of one and the end of the other."""
    return first[: chance.randrange(len(first) + 1)] + second[chance.randrange(len(second) + 1) :]


def _place(chance: random.Random, data: bytes) -> int:
    """Anywhere, and in the first bytes, where headers are, as often as in all the others."""
    end = len(data) if chance.random() < 0.5 else min(len(data), 512)
    return chance.randrange(end) if end else 0


def _flip_bits(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64)) if changed else 0):
        changed[_place(chance, data)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: _place(chance, data)]


def _drop(chance: random.Random, data: bytes) -> bytes:
    at = _place(chance, data)
    return data[:at] + data[at + chance.choice((1, 2, 4, 16, 256, 4096)) :]


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = _place(chance, data)
    return data[:at] + chance.randbytes(chance.choice((1, 2, 4, 16, 256))) + data[at:]


def _run(chance: random.Random, data: bytes) -> bytes:
    at, length = _place(chance, data), chance.choice((1, 4, 16, 256, 4096))
    filled = bytes([chance.choice((0, 0xFF, chance.randrange(256)))]) * length
    return data[:at] + filled[: len(data) - at] + data[at + length :]


def _set_extreme(chance: random.Random, data: bytes) -> bytes:
    """A number of 1 to 8 bytes, in either order, made as small or as large as it can be."""
    form = chance.choice(("B", ">H", "<H", ">I", "<I", ">Q", "<Q"))
    size = struct.calcsize(form)
    if len(data) < size:
        return data
    value = chance.choice(EXTREMES) & ((1 << 8 * size) - 1)
    if size == 8 and chance.random() < 0.5:
        value = (1 << 64) - 1 - value
    at = min(_place(chance, data), len(data) - size)
    return data[:at] + struct.pack(form, value) + data[at + size :]


def _repeat(chance: random.Random, data: bytes) -> bytes:
    at = _place(chance, data)
    piece = data[at : at + chance.choice((4, 16, 188, 1024))]
    return data[:at] + piece * chance.choice((2, 3, 20, 200)) + data[at:]


def _swap(chance: random.Random, data: bytes) -> bytes:
    first, second = sorted((_place(chance, data), _place(chance, data)))
    size = min(chance.choice((4, 32, 188, 1024)), second - first)
    a, b = data[first : first + size], data[second : second + size]
    return data[:first] + b + data[first + size : second] + a + data[second + size :]


BINARY_CHANGES: tuple[Change, ...] = (
    _flip_bits,
    _cut,
    _drop,
    _insert,
    _run,
    _set_extreme,
    _set_extreme,
    _repeat,
    _swap,
)


def _words(data: bytes) -> list[tuple[int, int]]:
    """Where values begin and end: runs of what is no punctuation of TOML, JSON, CSV or URLs."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for at, byte in enumerate(data[:65536] + b" "):
        if byte in b" \t\r\n,;:=[]{}()\"'/?&#@<>":
            if begin is not None:
                found.append((begin, at))
            begin = None
        elif begin is None:
            begin = at
    return found


def _replace_word(chance: random.Random, data: bytes) -> bytes:
    words = _words(data)
    if not words:
        return data
    begin, end = chance.choice(words)
    return data[:begin] + chance.choice(INTERESTING).encode("utf-8", "replace") + data[end:]


def _exchange_words(chance: random.Random, data: bytes) -> bytes:
    words = _words(data)
    if len(words) < 2:
        return data
    (a, b), (c, d) = sorted(chance.sample(words, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _nest(chance: random.Random, data: bytes) -> bytes:
    opening, closing = chance.choice(BRACKETS)
    depth = chance.choice((10, 200, 1200, 20000))
    at = _place(chance, data)
    if chance.random() < 0.5:
        return data[:at] + opening * depth + closing * depth + data[at:]
    return data[:at] + opening * depth + data[at:]


def _spoil(chance: random.Random, data: bytes) -> bytes:
    at = chance.choice((0, _place(chance, data), len(data)))
    return data[:at] + chance.choice(BAD_BYTES) + data[at:]


def _change_line(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    kind = chance.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines[at:at] = [lines[at]] * chance.choice((1, 10, 1000))
    elif kind == 2:
        lines[at] += b"x" * chance.choice((100, 5000, 1 << 20))
    else:
        chance.shuffle(lines)
    return b"\n".join(lines)


def _other_line_ends(_: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


TEXT_CHANGES: tuple[Change, ...] = (
    _replace_word,
    _replace_word,
    _replace_word,
    _exchange_words,
    _nest,
    _spoil,
    _change_line,
    _other_line_ends,
)
