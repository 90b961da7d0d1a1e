"""Whoever calls, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidings.errors import PermissionDenied


class Permission(StrEnum):
    """Something a caller may be allowed."""

    PUBLISH = "publish"
    """Bring events."""
    READ = "read"
    """Look at events, deliveries and rules."""
    OPERATE = "operate"
    """Retry and cancel deliveries, reload rules, enable endpoints, send test messages."""
    CONTACTS = "contacts"
    """Look at customers, change and erase them, and keep the suppression list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller. ``orgs`` None means every organisation."""

    name: str
    """The id of its key; for logs, never the key itself."""
    orgs: frozenset[int] | None
    permissions: frozenset[Permission]

    def require(self, permission: Permission) -> None:
        """Raise PermissionDenied unless this is allowed."""
        if permission not in self.permissions:
            raise PermissionDenied(
                f"key {self.name} may not {permission.value}; a key that may is made with "
                f"tidings keys create --allow {permission.value}",
                {"permission": permission.value},
            )

    def owns(self, org_id: int) -> bool:
        """Say whether an organisation's things are this caller's."""
        return self.orgs is None or org_id in self.orgs

    def require_orgs(self, org_ids: Iterable[int]) -> None:
        """Raise PermissionDenied, naming the first, unless all these organisations are this caller's."""
        for org_id in org_ids:
            if not self.owns(org_id):
                raise PermissionDenied(f"key {self.name} is not for organisation {org_id}", {"org_id": str(org_id)})

    def require_every_org(self) -> None:
        """Raise PermissionDenied unless this caller speaks for the whole gateway."""
        if self.orgs is not None:
            raise PermissionDenied(
                f"key {self.name} is for some organisations only; name one of them, or use a key for all", {}
            )


ANYBODY: Final = Principal(name="anybody", orgs=None, permissions=frozenset(Permission))
"""The caller of a gateway without keys."""
