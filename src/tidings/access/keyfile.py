"""The file of keys: YAML that ``tidings keys`` writes and the gateway reads. It holds hashes, no secrets."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, StringConstraints, ValidationError

from tidings.access.keys import Key
from tidings.access.principal import Permission
from tidings.errors import TidingsError
from tidings.model import Rate

_HEADER: Final = (
    "# Kept by `tidings keys`. It holds hashes of keys; the keys themselves are kept by those who use them.\n"
)


class InvalidKeyFile(TidingsError):
    """The file of keys cannot be used; the message says where and why."""

    reason = "INVALID_KEY_FILE"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _KeyShape(_Shape):
    id: Annotated[str, StringConstraints(pattern="^[a-z0-9]{8}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    orgs: Literal["all"] | Annotated[tuple[Annotated[StrictInt, Field(ge=0, lt=2**63)], ...], Field(min_length=1)]
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rate: Annotated[str, StringConstraints(pattern="^[1-9][0-9]{0,6}/(s|m|h|d)$")] | None = None


class _FileShape(_Shape):
    version: Literal[1]
    keys: tuple[_KeyShape, ...] = ()


class KeyFile:
    """Reads and writes keys."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def facts(self) -> tuple[int, int, int] | None:
        """Return what differs after any change, or None while there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def read(self, *, missing_ok: bool = False) -> Mapping[str, Key]:
        """Return the keys by id; raise InvalidKeyFile."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError as error:
            if missing_ok:
                return {}
            hint = f"make it with: tidings keys create NAME --file {self.path}"
            raise InvalidKeyFile(f"{self.path} is not there; {hint}") from error
        except OSError as error:
            raise InvalidKeyFile(f"{self.path} cannot be read: {error.strerror}") from error
        return _parse(self.path, text)

    def write(self, keys: Sequence[Key]) -> None:
        """Replace the keys; whoever reads meanwhile sees the old ones or the new ones, whole."""
        shape = {"version": 1, "keys": [_plain(each) for each in keys]}
        text = _HEADER + yaml.safe_dump(shape, sort_keys=False)
        handle, name = tempfile.mkstemp(dir=self.path.parent or Path(), prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _parse(path: Path, text: bytes) -> Mapping[str, Key]:
    try:
        shape = _FileShape.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InvalidKeyFile(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False)]
        raise InvalidKeyFile(f"{path} cannot be used:\n" + "\n".join(lines)) from None
    keys = {each.id: _key(each) for each in shape.keys}
    if len(keys) != len(shape.keys):
        raise InvalidKeyFile(f"{path} has two keys of the same id")
    return keys


def _key(shape: _KeyShape) -> Key:
    return Key(
        id=shape.id,
        name=shape.name,
        digest=shape.sha256,
        orgs=None if shape.orgs == "all" else frozenset(shape.orgs),
        permissions=frozenset(shape.permissions),
        created_at=shape.created,
        expires_at=shape.expires,
        rate=None if shape.rate is None else Rate.parse(shape.rate),
    )


def _plain(key: Key) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "sha256": key.digest,
        "orgs": "all" if key.orgs is None else sorted(key.orgs),
        "permissions": sorted(each.value for each in key.permissions),
        "created": _iso(key.created_at),
    }
    if key.expires_at is not None:
        plain["expires"] = _iso(key.expires_at)
    if key.rate is not None:
        plain["rate"] = str(key.rate)
    return plain


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
