"""Order-preserving encoding of tuples to bytes: what the stores keep keys and index entries as.

For two tuples of the same shape, `encode(a) < encode(b)` exactly when `a < b`, and `encode(a)` is a prefix of
`encode(a + rest)`. So one ordered map of bytes serves every table and index, and a scan is a range of bytes.
The idea is the tuple layer of FoundationDB; the format is our own.
"""

import datetime as dt

KeyPart = str | int | bool | dt.datetime | None
Key = tuple[KeyPart, ...]

_NONE, _INT, _TIME, _TEXT = b"\x01", b"\x02", b"\x03", b"\x04"
_OFFSET = 1 << 63
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def encode_part(part: KeyPart) -> bytes:
    """Return the bytes of one part; raise TypeError for a part of another type, OverflowError beyond 64 bits."""
    if part is None:
        return _NONE
    if isinstance(part, str):
        return _TEXT + part.encode().replace(b"\x00", b"\x00\xff") + b"\x00"
    if isinstance(part, int):
        return _INT + (part + _OFFSET).to_bytes(8)
    if isinstance(part, dt.datetime):
        return _TIME + ((part - _EPOCH) // _MICROSECOND + _OFFSET).to_bytes(8)
    raise TypeError(f"not a key part: {type(part).__name__}")


def encode_key(key: Key) -> bytes:
    """Return the bytes of a tuple; they sort as the tuples do."""
    return b"".join(map(encode_part, key))


def prefix_end(prefix: bytes) -> bytes:
    """Return the first bytes after every key that starts with `prefix` (no part starts with 0xff)."""
    return prefix + b"\xff"
