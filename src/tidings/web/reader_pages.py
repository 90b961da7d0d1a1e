"""The pages for readers of e-mails: ``/unsubscribe/TOKEN`` and ``/preferences/TOKEN``.

GET and HEAD change nothing, as mail scanners and browsers follow links by themselves. POST needs neither cookie nor
login. There is no token against forged requests (CSRF), because nothing can be forged: such an attack makes a browser
add a credential that it keeps, and the only credential here stands in the address, which the attacker would need.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from tidings.errors import Overloaded, StoreUnavailable
from tidings.intake import Preferences, Standing
from tidings.links import Purpose
from tidings.telemetry import events, get_logger
from tidings.web.look import preferences_page, sorry_page, unsubscribe_page
from tidings.web.peers import PeerLimit, peer_of
from tidings.web.settings import HttpSettings

log = get_logger()

Page = Callable[[web.Request, Standing], Awaitable[web.Response]]

_MOST_BODY: Final = 64 * 1024
_WRONG_COST: Final = 20.0
"""What a wrong token costs, in requests."""
_RETRY_SECONDS: Final = 5


class ReaderPages:
    """Answers those who follow a link in an e-mail, and the mail programs that do so for them."""

    def __init__(
        self, preferences: Preferences, settings: HttpSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._preferences = preferences
        self._proxies = settings.proxy_networks
        self._limit = PeerLimit(most=2_000, per_second=50, clock=clock)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve; what answers GET answers HEAD too."""
        return [
            web.get("/unsubscribe/{token}", self._for(Purpose.UNSUBSCRIBE, self.ask)),
            web.post("/unsubscribe/{token}", self._for(Purpose.UNSUBSCRIBE, self.unsubscribe)),
            web.get("/preferences/{token}", self._for(Purpose.PREFERENCES, self.show)),
            web.post("/preferences/{token}", self._for(Purpose.PREFERENCES, self.save)),
        ]

    async def ask(self, request: web.Request, standing: Standing) -> web.Response:  # noqa: ARG002 (every page's)
        """Ask whether they want to unsubscribe."""
        return unsubscribe_page(standing, done=False)

    async def unsubscribe(self, request: web.Request, standing: Standing) -> web.Response:
        """Unsubscribe, once or again; RFC 8058 has the body, and the page's own form has the same."""
        if (await _form(request)).get("List-Unsubscribe") != ["One-Click"]:
            return unsubscribe_page(standing, done=False, status=400)
        await self._preferences.unsubscribe(standing)
        return unsubscribe_page(standing, done=True)

    async def show(self, request: web.Request, standing: Standing) -> web.Response:  # noqa: ARG002 (every page's)
        """Show what they want now."""
        return preferences_page(standing, saved=False)

    async def save(self, request: web.Request, standing: Standing) -> web.Response:
        """Keep what they want; of categories that their page did not show, nothing changes."""
        form = await _form(request)
        if form.get("do") == ["none"]:
            return preferences_page(await self._preferences.refuse_all(standing), saved=True)
        if form.get("do") != ["save"]:
            return preferences_page(standing, saved=False, status=400)
        wanted = {category: category in form.get("wanted", ()) for category in form.get("shown", ())}
        return preferences_page(await self._preferences.choose(standing, wanted), saved=True)

    def _for(self, purpose: Purpose, page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                return await self._answer(purpose, page, request)
            except (StoreUnavailable, Overloaded) as error:
                log.warning(events.STORE_UNAVAILABLE, error=str(error))
                return sorry_page("busy", status=503, headers={"Retry-After": str(_RETRY_SECONDS)})

        return handle

    async def _answer(self, purpose: Purpose, page: Page, request: web.Request) -> web.Response:
        """Answer with a page; to each token that cannot be used with the same, whatever is wrong with it."""
        peer = peer_of(request, self._proxies)
        if wait := self._limit.spend(peer, 1):
            return sorry_page("busy", status=429, headers={"Retry-After": str(wait)})
        standing = await self._preferences.find(purpose, request.match_info["token"])
        if standing is None:
            self._limit.fine(peer, _WRONG_COST)
            return sorry_page("not_found", status=404)
        return await page(request, standing)


async def _form(request: web.Request) -> Mapping[str, list[str]]:
    """Return the fields of a form, urlencoded or multipart; none of a body that is too large or cannot be read."""
    if (request.content_length or 0) > _MOST_BODY:
        return {}
    try:
        given = await request.post()
    except (ValueError, LookupError, RuntimeError, AssertionError, web.HTTPRequestEntityTooLarge):
        return {}  # what aiohttp's readers raise for a broken body
    fields: dict[str, list[Any]] = {}
    for name, value in given.items():
        fields.setdefault(name, []).append(value)
    return fields
