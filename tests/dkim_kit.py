"""Keys to sign with, and a verifier that is not ours: dkimpy, given the DNS as a mapping."""

import base64

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


def new_key(kind: str) -> PrivateKey:
    return Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, int(kind))


def short_rsa_key() -> RSAPrivateKey:
    """An RSA key of 768 bits, which the library reads and no longer makes."""
    p, q = _prime_after(3 << 382), _prime_after(7 << 381)
    exponent = pow(65537, -1, (p - 1) * (q - 1))
    public = RSAPublicNumbers(65537, p * q)
    numbers = RSAPrivateNumbers(p, q, exponent, exponent % (p - 1), exponent % (q - 1), pow(q, -1, p), public)
    return numbers.private_key()


def _prime_after(start: int) -> int:
    return next(n for n in range(start + 1, start + 10_000, 2) if pow(2, n - 1, n) == 1)


def pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def dns_record(key: PrivateKey) -> bytes:
    """What the operator publishes for the key."""
    public = key.public_key()
    if isinstance(key, Ed25519PrivateKey):
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def verifies(content: bytes, records: dict[str, bytes], *, signature: int = 0) -> bool:
    """Whether the signature at this place holds; ``records`` maps DNS names to TXT records."""
    try:
        message = dkim.DKIM(content)
        return bool(message.verify(idx=signature, dnsfunc=lambda name, timeout: records.get(name.decode().rstrip("."))))
    except dkim.DKIMException:
        return False
