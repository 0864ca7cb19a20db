"""How alike texts are, letter by letter: text in, a share from 0 to 1 out; and what finds those that are.

Texts are taken apart into all of their pieces of five letters, case and spacing aside, in any script. Their
likeness is the share of the pieces of both that both have (Jaccard). `Resemblances` finds texts that are like
earlier ones without comparing all with all: minimal hashes of the pieces, in bands (Broder 1997).
"""

import hashlib
import random
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.index import Index

PIECE = 5
"""Letters of a piece: enough that two texts of one language share few by chance (k-shingles)."""

BANDS, ROWS = 8, 4
"""Two texts of likeness s have one of the bands in common with probability 1 - (1 - s^4)^8: 0.9998 at 0.9,
0.985 at 0.8, 0.89 at 0.7."""

PROBES = 4
"""Earlier texts that are looked at for each band, so that a new one is compared with 32 at the most."""

Pieces = NDArray[np.uint64]
_BASE = np.uint64(0x9E3779B97F4A7C15)
_RANDOM = random.Random(0)
_FACTORS = np.array([_RANDOM.getrandbits(64) | 1 for _ in range(BANDS * ROWS)], np.uint64)
_SHIFTS = np.array([_RANDOM.getrandbits(64) for _ in range(BANDS * ROWS)], np.uint64)


def pieces(text: str) -> Pieces:
    """The text's pieces as 64-bit hashes, each once; a shorter text is one piece."""
    plain = " ".join(text.casefold().split())
    letters = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    width = min(PIECE, len(letters)) or 1
    hashes = np.zeros(max(len(letters) - width + 1, 1), np.uint64)
    for offset in range(min(width, len(letters))):
        hashes = hashes * _BASE + letters[offset : offset + len(hashes)]
    return np.unique(_mixed(hashes))


def likeness(one: Pieces, other: Pieces) -> float:
    """The share of all pieces that both have: 1 for equal texts."""
    both = np.intersect1d(one, other, assume_unique=True).size
    return both / (one.size + other.size - both)


def side_by_side(texts: Sequence[Pieces]) -> Pieces:
    """The pieces of several texts as those of one, told apart by the text that they stand in."""
    return np.concatenate([_mixed(text + np.uint64(place)) for place, text in enumerate(texts)])


def signature(found: Pieces) -> tuple[bytes, ...]:
    """What texts are looked up by: of likely alike ones, one of these is the same."""
    least = [int((found * factor + shift).min()) for factor, shift in zip(_FACTORS, _SHIFTS, strict=True)]
    bands = np.array(least, np.uint64).reshape(BANDS, ROWS)
    return tuple(band.to_bytes(1) + row.tobytes() for band, row in enumerate(bands))


class Resemblances:
    """Numbers of earlier texts that a new one may be like; 130 bytes for each text, and none of them."""

    def __init__(self) -> None:
        self._bands = Index()

    def like(self, bands: Sequence[bytes]) -> set[int]:
        """The numbers of texts that may be like the one of this signature; the caller compares them."""
        places = (place for band in bands for place in self._places(band))
        return {place for place in places if place is not None}

    def add(self, bands: Sequence[bytes], number: int) -> None:
        """Remember the text of this signature under its number."""
        for band in bands:
            for probe, place in enumerate(self._places(band)):
                if place is None:
                    self._bands.add(_slot(band, probe), number)

    def _places(self, band: bytes) -> Iterator[int | None]:
        """The texts in a band's slots, and None for the first slot that is free."""
        for probe in range(PROBES):
            place = next(self._bands.candidates(_slot(band, probe)), None)
            yield place
            if place is None:
                return


def _slot(band: bytes, probe: int) -> bytes:
    return hashlib.blake2b(band, digest_size=16, salt=probe.to_bytes(8)).digest()


def _mixed(hashes: Pieces) -> Pieces:
    """Every bit of the result depends on every bit: the end of splitmix64 (Steele et al. 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
