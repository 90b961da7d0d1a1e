"""Who may do what: API keys, what each is allowed, and how much of it.

A ``Principal`` is whoever calls; ``Keyring`` finds the one that a key stands for; ``KeyFile`` keeps the keys, of
which it knows only hashes. Without a key file everybody who can reach a listener may do everything, which is why such
a gateway listens on loopback only.
"""

from tidings.access.bucket import Bucket
from tidings.access.following import follow_keys
from tidings.access.keyfile import InvalidKeyFile, KeyFile
from tidings.access.keyring import Keyring
from tidings.access.keys import Key, NewKey, new_key
from tidings.access.principal import ANYBODY, Permission, Principal
from tidings.access.settings import AuthSettings

__all__ = [
    "ANYBODY",
    "AuthSettings",
    "Bucket",
    "InvalidKeyFile",
    "Key",
    "KeyFile",
    "Keyring",
    "NewKey",
    "Permission",
    "Principal",
    "follow_keys",
    "new_key",
]
