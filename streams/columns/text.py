"""Text in byte columns."""

from __future__ import annotations

from streams.kernel import U8, kernel


@kernel
def utf8(buffer: U8, at: int, size: int) -> bool:
    """Are these bytes UTF-8 (RFC 3629: shortest form, no surrogates)?"""
    i, end = at, at + size
    while i < end:
        b = buffer[i]
        i += 1
        if b < 0x80:
            continue
        need = 1 if 0xC2 <= b <= 0xDF else 2 if 0xE0 <= b <= 0xEF else 3 if 0xF0 <= b <= 0xF4 else 0
        if need == 0 or i + need > end:
            return False
        c = buffer[i]
        low = 0xA0 if b == 0xE0 else 0x90 if b == 0xF0 else 0x80
        high = 0x9F if b == 0xED else 0x8F if b == 0xF4 else 0xBF
        if c < low or c > high:
            return False
        for k in range(1, need):
            if buffer[i + k] & 0xC0 != 0x80:
                return False
        i += need
    return True
