"""A real browser for tests: headless Chromium, spoken to over its debugging protocol; it reaches only loopback."""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE = 60.0


@dataclass(slots=True)
class Browser:
    """One tab."""

    _socket: aiohttp.ClientWebSocketResponse
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def call(self, method: str, *, until: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method; return its result, once an event called ``until`` has come as well."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        result: dict[str, Any] | None = None
        async with asyncio.timeout(_PATIENCE):
            while result is None or until is not None:
                message = await self._socket.receive_json()
                if message.get("method") == until:
                    until = None
                if message.get("id") == number:
                    assert "error" not in message, message
                    result = message["result"]
        return result

    async def open(self, url: str, *, width: int) -> None:
        """Load a page in a window of so many pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600
        )
        await self.call("Page.navigate", url=url, until="Page.loadEventFired")

    async def ask(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, selector: str, *, loads: bool = False) -> None:
        """Click, with the mouse, on the first element that fits; wait for the page that this ``loads``."""
        place = await self.ask(
            f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView();"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]})()"
        )
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        until = "Page.loadEventFired" if loads else None
        await self.call("Input.dispatchMouseEvent", type="mouseReleased", until=until, **mouse)

    async def picture(self) -> bytes:
        """Return what the page looks like, as a PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def open_browser(folder: Path) -> AsyncIterator[Browser]:
    """Run a browser whose profile is in ``folder``; scripts of pages do not run in it."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as client:
            port = await _port(folder / "DevToolsActivePort")
            async with client.get(f"http://127.0.0.1:{port}/json/list") as answer:
                address = next(each["webSocketDebuggerUrl"] for each in await answer.json() if each["type"] == "page")
            async with client.ws_connect(address, max_msg_size=0) as socket:
                browser = Browser(socket)
                await browser.call("Page.enable")
                yield browser
    finally:
        process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    async with asyncio.timeout(_PATIENCE):
        while not file.exists() or not file.read_text().strip():  # noqa: ASYNC110, ASYNC240 (another process writes it)
            await asyncio.sleep(0.05)
    return int(file.read_text().split()[0])  # noqa: ASYNC240
