"""``POST /intake/bounce``: delivery status notifications and abuse reports, one message in wire form as the body."""

from aiohttp import web

from tidings.intake import TakeBounce
from tidings.model import Secrets
from tidings.web.bodies import read_body
from tidings.web.intake import answering, has_headers, refusal
from tidings.web.settings import BounceSettings


class BounceIntake:
    """Answers whoever posts the messages that came back. It is closed unless headers are configured for it."""

    def __init__(self, settings: BounceSettings | None, *, take: TakeBounce, secrets: Secrets) -> None:
        self._settings = settings
        self._take = take
        self._secrets = secrets

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [] if self._settings is None else [web.post("/intake/bounce", answering(self.bounce))]

    async def bounce(self, request: web.Request) -> web.Response:
        """Take one message. Whatever it says it is answered with 200, so that nobody sends it again."""
        if self._settings is None or not has_headers(request, self._settings.headers, self._secrets):
            return refusal(401, "UNAUTHENTICATED", "a configured header is missing or has another value")
        answer = await self._take(await read_body(request))
        name = "" if answer.delivery is None else answer.delivery.id
        body = {"verdict": answer.verdict.value, "explanation": answer.explanation, "delivery_id": name}
        return web.json_response(body)
