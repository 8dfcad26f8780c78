"""Ed25519 as RFC 8032, chapter 5.1, writes it: in whole numbers, no library.

A library of its own would make the simulator judge signatures with the code that made them.
About a millisecond a check, which is enough for a venue on loopback. Not for secrets: its time
depends on them.
"""

import hashlib
from functools import lru_cache

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with T = X * Y / Z
NEUTRAL: Point = (0, 1, 1, 0)


def public_key(secret: bytes) -> bytes:
    """Derive the 32 public bytes of the 32 secret ones."""
    scalar, _ = _expanded(secret)
    return _packed(_times(scalar, BASE))


def sign(secret: bytes, message: bytes) -> bytes:
    """Sign *message*: 64 bytes."""
    scalar, prefix = _expanded(secret)
    key = _packed(_times(scalar, BASE))
    nonce = _number(prefix + message) % ORDER
    commitment = _packed(_times(nonce, BASE))
    challenge = _number(commitment + key + message) % ORDER
    answer = (nonce + challenge * scalar) % ORDER
    return commitment + answer.to_bytes(32, "little")


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether *signature* is *key*'s over *message*; what is no signature at all is False."""
    if len(signature) != 64 or len(key) != 32:
        return False
    point, commitment = _unpacked(key), _unpacked(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if point is None or commitment is None or answer >= ORDER:
        return False
    challenge = _number(signature[:32] + key + message) % ORDER
    return _same(_times(answer, BASE), _sum(commitment, _times(challenge, point)))


def _expanded(secret: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & ((1 << 254) - 8) | (1 << 254), digest[32:]


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def _sum(left: Point, right: Point) -> Point:
    a = (left[1] - left[0]) * (right[1] - right[0]) % PRIME
    b = (left[1] + left[0]) * (right[1] + right[0]) % PRIME
    c = 2 * left[3] * right[3] * CURVE % PRIME
    d = 2 * left[2] * right[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


@lru_cache(maxsize=64)
def _doublings(point: Point) -> list[Point]:
    """*point* times 1, 2, 4 …: kept, as a key signs many requests."""
    doubled = [point]
    for _ in range(255):
        doubled.append(_sum(doubled[-1], doubled[-1]))
    return doubled


def _times(scalar: int, point: Point) -> Point:
    total = NEUTRAL
    for doubled in _doublings(point):
        if not scalar:
            break
        if scalar & 1:
            total = _sum(total, doubled)
        scalar >>= 1
    return total


def _same(left: Point, right: Point) -> bool:
    across = (left[0] * right[2] - right[0] * left[2]) % PRIME
    along = (left[1] * right[2] - right[1] * left[2]) % PRIME
    return across == along == 0


def _packed(point: Point) -> bytes:
    inverse = pow(point[2], PRIME - 2, PRIME)
    x, y = point[0] * inverse % PRIME, point[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


@lru_cache(maxsize=64)
def _unpacked(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    y, odd = number & ((1 << 255) - 1), number >> 255
    x = _recovered(y, odd) if y < PRIME else None
    return None if x is None else (x, y, 1, x * y % PRIME)


def _recovered(y: int, odd: int) -> int | None:
    square = (y * y - 1) * pow(CURVE * y * y + 1, PRIME - 2, PRIME) % PRIME
    if square == 0:
        return None if odd else 0
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME:
        return None
    return PRIME - x if x & 1 != odd else x


def _base() -> Point:
    y = 4 * pow(5, PRIME - 2, PRIME) % PRIME
    x = _recovered(y, 0)
    assert x is not None
    return (x, y, 1, x * y % PRIME)


BASE = _base()
