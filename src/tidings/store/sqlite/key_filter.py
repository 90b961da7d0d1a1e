"""Tells, of nearly all keys that are not stored, that they are not: without a look into the database.

A key is a hash already. Its leading bits choose a word of 64 bits, its last ones four bits of that word: one look into
memory for each key. With four keys a word, the most that it is made for, one key in two hundred that is not there
seems to be.
"""

from array import array
from collections.abc import Iterable
from functools import cache
from typing import Final

_KEYS_A_WORD: Final = 4
_FEWEST_WORDS: Final = 1 << 4
_MOST_WORDS: Final = 1 << 22
"""32 MiB. With more keys than they are for, more of those that are not there seem to be."""
_MASK_BITS: Final = 12
"""Of a key, the last ones."""


def _mask(number: int) -> int:
    """Return a word with up to four bits set, which are any by the number."""
    mixed = (number + 1) * 0x9E3779B97F4A7C15
    return 1 << (mixed >> 58 & 63) | 1 << (mixed >> 51 & 63) | 1 << (mixed >> 44 & 63) | 1 << (mixed >> 37 & 63)


@cache
def _masks() -> "array[int]":
    return array("Q", map(_mask, range(1 << _MASK_BITS)))


class KeyFilter:
    """What was added to it seems to be there, and little else."""

    def __init__(self, room: int) -> None:
        """Make room for so many keys, or for as many as the largest one takes."""
        words = _FEWEST_WORDS
        while words < min(room / _KEYS_A_WORD, _MOST_WORDS):
            words *= 2
        self._words = array("Q", bytes(8 * words))
        self._shift = 64 - (words.bit_length() - 1)
        self._most = max(room, words * _KEYS_A_WORD)
        self._added = 0

    @property
    def is_full(self) -> bool:
        """Whether as many keys were added as it has room for: it should be made anew, larger or without old ones."""
        return self._added >= self._most

    def add(self, keys: Iterable[int]) -> None:
        """Add keys, which are signed integers of 64 bits."""
        words, shift, mask, last = self._words, self._shift, _masks(), (1 << _MASK_BITS) - 1
        added = 0
        for key in keys:  # a negative one counts its word from the end
            words[key >> shift] |= mask[key & last]
            added += 1
        self._added += added

    def suspects(self, keys: Iterable[int]) -> list[int]:
        """Return those of the keys that seem to be there."""
        words, shift, mask, last = self._words, self._shift, _masks(), (1 << _MASK_BITS) - 1
        return [key for key in keys if words[key >> shift] & (wanted := mask[key & last]) == wanted]
