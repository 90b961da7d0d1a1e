"""Who asks over HTTP: keys in the Authorization header, and refusals as responses."""

import math
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from tidings.access import Keyring, Permission, Principal
from tidings.errors import Overloaded, PermissionDenied, Unauthenticated

_BEARER: Final = "Bearer "

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def admit(request: web.Request, keyring: Keyring, permission: Permission) -> Principal:
    """Return who asks; raise Unauthenticated, PermissionDenied or Overloaded."""
    given = request.headers.get("Authorization", "")
    principal = keyring.identify(given.removeprefix(_BEARER).strip() if given.startswith(_BEARER) else None)
    principal.require(permission)
    return principal


@web.middleware
async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a refusal into its response."""
    try:
        return await handler(request)
    except Unauthenticated as error:
        return web.json_response(
            {"error": str(error)}, status=401, headers={"WWW-Authenticate": 'Bearer realm="tidings"'}
        )
    except PermissionDenied as error:
        return web.json_response({"error": str(error)}, status=403)
    except Overloaded as error:
        headers = {"Retry-After": str(math.ceil(error.retry_after))}
        return web.json_response({"error": str(error)}, status=429, headers=headers)
