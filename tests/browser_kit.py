"""A headless Chromium to look at messages and pages with, over the DevTools protocol. It reaches only loopback."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import pytest

BROWSER: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser's path; None where there is none."""

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no browser: install Debian's chromium")

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # in a container the tests run as root, whom Chromium's sandbox refuses
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-address=127.0.0.1",
    "--remote-debugging-port=0",
)
_START_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 30.0
_HEIGHT: Final = 900


@dataclass(slots=True)
class Page:
    """One page of the browser."""

    socket: aiohttp.ClientWebSocketResponse
    session: str
    frame: str = ""
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def show(self, html: str) -> None:
        """Replace the page by a document."""
        await self.call("Page.setDocumentContent", frameId=self.frame, html=html)

    async def view(self, *, width: int, dark: bool = False) -> None:
        """Make the window that wide, in CSS pixels, for a reader who prefers light or dark."""
        metrics: dict[str, Any] = {"width": width, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def open(self, url: str, *, width: int) -> None:
        """Load a page of a server in a window that wide."""
        await self.view(width=width)
        await self.call("Page.navigate", url=url, until="Page.loadEventFired")

    async def press(self, selector: str, *, loads: bool = False) -> None:
        """Click, with the mouse, on the first element that fits; wait for the page that this ``loads``."""
        place = await self.evaluate(
            f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView();"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]})()"
        )
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        until = "Page.loadEventFired" if loads else None
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", until=until, **mouse)

    async def evaluate(self, script: str) -> Any:
        """Return what a script evaluates to, as plain data."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """Return the whole page as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def call(self, method: str, *, until: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its answer, once an event called ``until`` has come as well."""
        return await _call(self.socket, next(self._numbers), method, parameters, session=self.session, until=until)


@asynccontextmanager
async def open_page() -> AsyncIterator[Page]:
    """Start the browser, open a page, and end the browser with all its processes afterwards."""
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(prefix="tidings-browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            BROWSER,
            *_FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            address = await asyncio.wait_for(_address(process), _START_SECONDS)
            async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
                yield await _page(socket)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Return where the browser listens, which it says among its warnings."""
    assert process.stderr is not None
    heard = []
    async for line in process.stderr:
        heard.append(line.decode(errors="replace"))
        _, found, address = heard[-1].partition("DevTools listening on ")
        if found:
            return address.strip()
    raise AssertionError(f"the browser ended without listening:\n{''.join(heard)}")


async def _page(socket: aiohttp.ClientWebSocketResponse) -> Page:
    target = await _call(socket, 1, "Target.createTarget", {"url": "about:blank"})
    wanted = {"targetId": target["targetId"], "flatten": True}
    page = Page(socket, (await _call(socket, 2, "Target.attachToTarget", wanted))["sessionId"])
    await page.call("Page.enable")
    page.frame = (await page.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    return page


async def _call(
    socket: aiohttp.ClientWebSocketResponse,
    number: int,
    method: str,
    parameters: dict[str, Any],
    *,
    session: str | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
    await socket.send_str(json.dumps(message))
    async with asyncio.timeout(_ANSWER_SECONDS):
        result: dict[str, Any] | None = None
        while result is None or until is not None:
            heard = json.loads(await socket.receive_str())
            if heard.get("sessionId") != session:
                continue
            if heard.get("method") == until:
                until = None
            if heard.get("id") == number:
                assert "error" not in heard, f"{method}: {heard['error']}"
                result = heard["result"]
    return result
