"""Bits out of a few bytes, most significant first."""

from __future__ import annotations


class Malformed(ValueError):
    """The bits end early, or say what the standard rules out. Never leaves this package."""


class BitReader:
    """Reads one header. For up to a few kilobytes: the bytes are held as one whole number.

    Raises :class:`Malformed` beyond the end. Not thread-safe, and made for one pass.
    """

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        """The next ``count`` bits: u(n) of H.264 and HEVC, f(n) of AV1."""
        self._left -= count
        if self._left < 0:
            raise Malformed("the bits end early")
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.u(1) == 1

    def skip(self, count: int) -> None:
        """Pass over ``count`` bits."""
        self._left -= count
        if self._left < 0:
            raise Malformed("the bits end early")

    def ue(self) -> int:
        """Exp-Golomb, unsigned: ue(v) of H.264 (9.1) and HEVC (9.2), uvlc() of AV1 (4.10.3)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                raise Malformed("a number of more than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Exp-Golomb, signed: se(v)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
