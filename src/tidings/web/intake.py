"""The vendors' webhooks: ``POST /intake/capillary`` and ``POST /intake/k42``.

200 means that every event of the body that can be used is on disk. A vendor that resends what was not
answered with 200 must not be made to resend the good events of a partly bad batch for ever, so such a
batch is 200 too, with a result for each event, and the body is kept for inspection.
"""

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from tidings.errors import FieldViolation, InvalidRequest, Overloaded, StoreUnavailable, TidingsError
from tidings.intake import JsonAnswer, JsonResult, Published, TakeVendorBody, is_refused_whole
from tidings.model import SecretRef, Secrets
from tidings.telemetry import events, get_logger
from tidings.web.bodies import read_body
from tidings.web.settings import IntakeSettings, K42Settings

log = get_logger()

Handler = Callable[[web.Request], Awaitable[web.Response]]

_STORE_RETRY_SECONDS = 5


class VendorIntake:
    """Answers the vendors' webhooks."""

    def __init__(self, settings: IntakeSettings, *, take: TakeVendorBody, secrets: Secrets) -> None:
        self._settings = settings
        self._take = take
        self._secrets = secrets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve; a vendor that is not configured has none."""
        routes = [web.post("/intake/capillary", answering(self.capillary))]
        if self._settings.k42 is not None:
            routes.append(web.post("/intake/k42", answering(self.k42)))
        return routes

    async def capillary(self, request: web.Request) -> web.Response:
        """Take one event or a list; the organisation is in each event."""
        if not has_headers(request, self._settings.capillary.headers, self._secrets):
            return refusal(401, "UNAUTHENTICATED", "a configured header is missing or has another value")
        answer = await self._take(await read_body(request), intake="capillary")
        return _answer(answer, status=400 if is_refused_whole(answer) else 200)

    async def k42(self, request: web.Request) -> web.Response:
        """Take a batch; the organisation is configured, and the body must be signed."""
        settings = self._settings.k42
        if settings is None:
            raise web.HTTPNotFound
        body = await read_body(request)
        if not self._is_signed(body, request.headers.get("x-k42-signature", ""), settings):
            return refusal(401, "UNAUTHENTICATED", "x-k42-signature is missing or does not fit callback URL and body")
        return _answer(await self._take(body, intake="k42", org_id=settings.org), status=200)

    def _is_signed(self, body: bytes, signature: str, settings: K42Settings) -> bool:
        secret = self._secrets(SecretRef.parse(settings.secret))
        if secret is None:
            return False
        expected = hmac.new(secret.encode(), settings.callback_url.encode() + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode())


def has_headers(request: web.Request, headers: Mapping[str, str], secrets: Secrets) -> bool:
    """Compare every configured header in constant time; a secret that is missing lets nobody in."""
    fits = True
    for name, reference in headers.items():
        wanted = secrets(SecretRef.parse(reference))
        given = request.headers.get(name, "")
        fits &= wanted is not None and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
    return fits


def answering(handle: Handler) -> Handler:
    """Give our errors the statuses that make a vendor do the right thing next."""

    async def answering(request: web.Request) -> web.Response:
        try:
            return await handle(request)
        except web.HTTPRequestEntityTooLarge as error:
            return refusal(413, "BODY_TOO_LARGE", error.text or "the body is too large; send fewer events at once")
        except web.HTTPRequestTimeout:
            return refusal(408, "BODY_TOO_SLOW", "the body took too long to arrive")
        except InvalidRequest as error:
            # Paths in a body are made of the sender's own keys, which may name anybody: the answer tells them.
            log.info(events.EVENT_REFUSED, intake=request.path, faults=len(error.violations))
            return refusal(400, error.reason, str(error), error.violations)
        except Overloaded as error:
            return refusal(429, error.reason, str(error), retry_after=math.ceil(error.retry_after))
        except StoreUnavailable as error:
            return refusal(503, error.reason, str(error), retry_after=_STORE_RETRY_SECONDS)

    return answering


def _answer(answer: JsonAnswer, *, status: int) -> web.Response:
    return web.json_response({"results": [_result(each) for each in answer.results]}, status=status)


def _result(result: JsonResult) -> dict[str, Any]:
    if isinstance(result.outcome, Published):
        status = "duplicate" if result.outcome.duplicate else "accepted"
        return {"path": result.path, "status": status, "event_id": result.outcome.event_id}
    return {"path": result.path, "status": "refused", **_error(result.outcome)}


def _error(error: TidingsError) -> dict[str, Any]:
    violations = error.violations if isinstance(error, InvalidRequest) else ()
    fields = [{"field": each.field, "description": each.description} for each in violations]
    return {"reason": error.reason, "message": str(error), "fields": fields}


def refusal(
    status: int, reason: str, message: str, violations: Sequence[FieldViolation] = (), *, retry_after: int | None = None
) -> web.Response:
    """Say no, and why, as every intake does."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    fields = [{"field": each.field, "description": each.description} for each in violations]
    return web.json_response({"reason": reason, "message": message, "fields": fields}, status=status, headers=headers)
