"""The pages for readers in a real browser: they fit narrow and wide windows, and their forms work without scripts."""

from pathlib import Path

import pytest

from browser_kit import Page, needs_browser, open_page
from reader_kit import MEMBER, ORG, links_of, wire
from tidings.gateway.v1 import contact_service_pb2 as pb

pytestmark = needs_browser

LONG_BRAND = """\
    consent: opt_out
    categories: {reminders: ReminderswithoutasinglespaceinallofitslengthwhichnolinecantakeReminderswithoutany}
    address: "1 Example Street, Pune"
"""


async def overflows(browser: Page) -> list[str]:
    """Return what reaches over the window's edge, the page as a whole included."""
    found: list[str] = await browser.evaluate(
        "[...document.querySelectorAll('*')].filter(e => { const r = e.getBoundingClientRect();"
        "return r.right > innerWidth + 0.5 || r.left < -0.5 || e.scrollWidth > Math.max(e.clientWidth, innerWidth) })"
        ".map(e => e.tagName)"
    )
    return found


@pytest.mark.parametrize("locale", ["ar", *(pytest.param(each, marks=pytest.mark.long) for each in ("en", "de"))])
async def test_pages_fit_and_forms_work(tmp_path: Path, locale: str) -> None:
    async with wire(tmp_path, brand=LONG_BRAND) as readers, open_page() as browser:
        mails = await readers.mails("e-1")
        await readers.gateway.upsert(pb.Contact(org_id=ORG, customer_id=MEMBER, locale=locale))
        unsubscribe, preferences = map(readers.local, links_of(mails["reminder"]))
        await browser.call("Emulation.setScriptExecutionDisabled", value=True)
        for width in (320, 1200):
            for page in (unsubscribe, preferences, unsubscribe[:-3]):
                await browser.open(page, width=width)
                assert await browser.evaluate("innerWidth") == width
                assert await overflows(browser) == []
                assert await browser.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "24px"
                assert await browser.evaluate(
                    "[...document.querySelectorAll('label input')].every(e => e.labels.length)"
                )

        await browser.open(unsubscribe, width=320)
        await browser.press("button", loads=True)
        assert await browser.evaluate("document.querySelectorAll('[role=status]').length") == 1
        assert dict((await readers.contact()).consents) == {"reminders": False}
        assert await overflows(browser) == []

        await browser.open(preferences, width=320)
        await browser.press("input[value=offers][type=checkbox]")
        await browser.press("input[value=reminders][type=checkbox]")
        await browser.press("button[value=save]", loads=True)
        assert dict((await readers.contact()).consents) == {"reminders": True, "offers": False}
        await browser.press("button[value=none]", loads=True)
        assert dict((await readers.contact()).consents) == {"reminders": False, "offers": False}
        assert await browser.evaluate("document.querySelectorAll(':checked').length") == 0
