"""The bytes of a journal: a header, then one frame per record, each with its length and its checksum.

A frame is a mark, the payload's length, a checksum over everything else in it, the key's digest and the
payload. The mark holds a byte that no payload has (payloads are ASCII), so that whole frames behind a damaged
one can be found: that is how damage in the middle is told from a tail that a crash cut short.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = b"solon journal 2\n"
"""Opens every journal; the number is the version of what follows."""

_MARK = b"\xf5SJ\xf5"
_HEAD = struct.Struct("<4sII16s")
_BLOCK = 4 << 20
"""Bytes read at a time; a frame that is longer is read whole."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole record's place: `offset` of its payload in the file, and the payload's length, in bytes."""

    digest: bytes
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


def packed(digest: bytes, payload: bytes) -> bytes:
    """One frame; `digest` has 16 bytes."""
    return _HEAD.pack(_MARK, len(payload), _checksum(digest, payload), digest) + payload


def payload_at(descriptor: int, start: int, digest: bytes) -> bytes | None:
    """The payload of the frame that starts there, or None if it is another digest's."""
    block = os.pread(descriptor, 4096, start)
    _, length, _, found = _HEAD.unpack_from(block)
    if found != digest:
        return None
    payload = block[_HEAD.size : _HEAD.size + length]
    missing = length - len(payload)
    return payload + os.pread(descriptor, missing, start + len(block)) if missing else payload


def start_of(frame: Frame) -> int:
    """The byte at which the frame begins."""
    return frame.offset - _HEAD.size


def frames(descriptor: int, start: int, end: int) -> Iterator[Frame]:
    """The whole frames from a byte on, up to the first that is not whole or to the byte `end`."""
    size = _BLOCK
    while start < end:
        block = os.pread(descriptor, min(size, end - start), start)
        used = 0
        for frame in _in_block(block, start):
            yield frame
            used = frame.end - start
        if used:
            start, size = start + used, _BLOCK
            continue
        size = _HEAD.size + _HEAD.unpack_from(block)[1] if len(block) >= _HEAD.size else 0
        # Nothing whole in the block: the frame is longer than that, or it is torn.
        if not block.startswith(_MARK) or not len(block) < size <= end - start:
            return


def next_frame(descriptor: int, start: int, end: int) -> Frame | None:
    """The first whole frame at or behind a byte, wherever it begins."""
    while start < end:
        block = os.pread(descriptor, min(_BLOCK, end - start), start)
        at = block.find(_MARK)
        while at >= 0:
            frame = next(frames(descriptor, start + at, end), None)
            if frame is not None:
                return frame
            at = block.find(_MARK, at + 1)
        start += max(len(block) - len(_MARK) + 1, 1)
    return None


def _in_block(block: bytes, start: int) -> Iterator[Frame]:
    view, at = memoryview(block), 0
    while at + _HEAD.size <= len(block):
        mark, length, checksum, digest = _HEAD.unpack_from(block, at)
        body = at + _HEAD.size
        if mark != _MARK or body + length > len(block):
            return
        if _checksum(digest, view[body : body + length]) != checksum:
            return
        yield Frame(digest, start + body, length)
        at = body + length


def _checksum(digest: bytes, payload: bytes | memoryview) -> int:
    """CRC-32 over length, digest and payload: a damaged length is as damaged as a damaged text."""
    return zlib.crc32(payload, zlib.crc32(digest, len(payload)))
