"""Unsubscribing over the real wire: from an e-mail's headers to what is not sent any more."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dkim_kit import dns_record, new_key, pem, verifies
from gateway_kit import eventually, run_tidings, running_gateway, state_of, write_config
from reader_kit import ADDRESS, MEMBER, ONE_CLICK, ORG, SECRET, Answer, links_of, one_click_of, wire
from rulebook_kit import write_rulebook
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.links import Purpose, Reader, TokenBox

GUARDS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'


def all_rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table but the heartbeat's."""
    with closing(sqlite3.connect(folder / "tidings.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names if name != "ledger"}  # noqa: S608


def is_guarded(answer: Answer) -> bool:
    policy = answer.headers["Content-Security-Policy"]
    strict = all(each in policy for each in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"))
    return strict and "script" not in policy and GUARDS.items() <= dict(answer.headers).items()


async def test_one_click_counts_at_once_also_for_what_waits_already(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        link = one_click_of((await readers.mails("e-1"))["reminder"])
        readers.smtp.script("RCPT", *["450 4.2.0 later"] * 200)
        waiting = await readers.publish("e-2")

        async def all_wait() -> bool:
            found = [await readers.gateway.delivery(name) for name in waiting.values()]
            return all(each.attempts for each in found)

        await eventually(all_wait)
        for _ in range(2):
            answer = await readers.ask("POST", link, ONE_CLICK)
            assert (answer.status, "You are unsubscribed" in answer.text) == (200, True)
        assert state_of(await readers.gateway.ended(waiting["reminder"])) == "SUPPRESSED"
        readers.smtp.answers.clear()

        stays = {"reminder": "SUPPRESSED", "offer": "DELIVERED", "receipt": "DELIVERED", "copy": "DELIVERED"}
        assert await readers.ended(waiting) == stays
        assert await readers.ended(await readers.publish("e-3")) == stays
        detail = (await readers.gateway.delivery(waiting["reminder"])).delivery.reason
        assert detail == f"customer {MEMBER} objects to messages of category reminders"


async def test_only_e_mails_that_need_consent_have_links(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        mails = await readers.mails("e-1")
        for rule, mail in mails.items():
            first, second = links_of(mail)
            if rule in ("receipt", "copy"):
                assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"], first, second) == (None, None, "", "")
            else:
                assert first == one_click_of(mail)
                assert second != first
        assert len(mails) == 4


async def test_without_a_public_address_there_are_no_links(tmp_path: Path) -> None:
    async with wire(tmp_path, public=False) as readers:
        mail = (await readers.mails("e-1"))["reminder"]
        assert (mail["List-Unsubscribe"], *links_of(mail)) == (None, "", "")


async def test_the_same_links_go_out_on_every_attempt(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        readers.smtp.script("MESSAGE", *["250 2.0.0 taken"] * 8)
        first = (await readers.mails("e-1"))["reminder"]
        box = TokenBox([SECRET])
        name = str(first["Message-ID"]).strip("<>").partition("@")[0]
        reader = Reader(org_id=ORG, customer_id=MEMBER, category="reminders", delivery_id=name)
        assert one_click_of(first).endswith(f"/unsubscribe/{box.seal(Purpose.UNSUBSCRIBE, reader)}")
        assert links_of(first)[1].endswith(f"/preferences/{box.seal(Purpose.PREFERENCES, reader)}")


async def test_the_headers_are_signed(tmp_path: Path) -> None:
    key = new_key("ed25519")
    (tmp_path / "dkim.pem").write_text(pem(key))
    async with wire(tmp_path) as readers:
        relay = f"smtp://127.0.0.1:{readers.smtp.port}?tls=none"
        dkim = {"example.com": {"selector": "s1", "key": f"file:{tmp_path}/dkim.pem"}}
        folder = tmp_path / "signed"
        folder.mkdir()
        async with wire(folder, email={"transport": relay, "timeout": "2s", "dkim": dkim}) as signing:
            await signing.ended(await signing.publish("e-1"))
        records = {"s1._domainkey.example.com": dns_record(key)}
        linked = [each.content for each in readers.smtp.messages if b"List-Unsubscribe:" in each.content]
        assert len(linked) == 2
        for content in linked:
            assert verifies(content, records)
            for header in (b"List-Unsubscribe: <https://", b"List-Unsubscribe-Post: List-Unsubscribe=One-"):
                assert not verifies(content.replace(header, header[:-1] + b"x"), records)


@pytest.mark.parametrize("kind", ["unsubscribe", "preferences"])
async def test_looking_changes_nothing(tmp_path: Path, kind: str) -> None:
    async with wire(tmp_path) as readers:
        mail = (await readers.mails("e-1"))["reminder"]
        link = links_of(mail)[kind == "preferences"]
        before = all_rows(tmp_path)
        for method, url in [
            (m, u) for m in ("GET", "HEAD", "OPTIONS") for u in (link, f"{link}?List-Unsubscribe=One-Click")
        ]:
            answer = await readers.ask(method, url, **{"Purpose": "prefetch", "Sec-Purpose": "prefetch"})
            assert answer.status == (405 if method == "OPTIONS" else 200)
            if method == "GET":
                assert is_guarded(answer)
                assert '<form method="post"' in answer.text
        for body in ({}, {"List-Unsubscribe": "Other"}, {"do": "unknown"}, b"\xff\x00", b"x" * 70_000):
            answer = await readers.ask("POST", link, body)
            assert (answer.status, is_guarded(answer)) == (400, True)
        broken = await readers.ask("POST", link, MULTIPART, **{"Content-Type": "multipart/form-data"})
        assert broken.status == 400
        assert all_rows(tmp_path) == before


async def test_a_multipart_body_unsubscribes_too(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        link = one_click_of((await readers.mails("e-1"))["offer"])
        answer = await readers.ask("POST", link, MULTIPART, **{"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status == 200
        contact = await readers.contact()
        assert dict(contact.consents) == {"offers": False}
        assert contact.consent_marks["offers"].source == pb.CONSENT_SOURCE_UNSUBSCRIBE_LINK


async def test_a_token_that_cannot_be_used_is_told_nothing(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        mail = (await readers.mails("e-1"))["reminder"]
        unsubscribe, preferences = links_of(mail)
        head, _, token = unsubscribe.rpartition("/")
        foreign = TokenBox(["of another gateway, and as long as it must be"])
        wrong = [
            token[:-1],
            token + "A",
            token[:20] + ("A" if token[20] != "A" else "B") + token[21:],
            preferences.rpartition("/")[2],
            str(foreign.seal(Purpose.UNSUBSCRIBE, Reader(org_id=ORG, customer_id=MEMBER, category="reminders"))),
            "%00",
            "x" * 5_000,
        ]
        before = all_rows(tmp_path)
        answers = [
            await readers.ask(method, f"{head}/{each}", ONE_CLICK) for each in wrong for method in ("GET", "POST")
        ]
        assert {each.status for each in answers} == {404}
        assert len({each.text for each in answers}) == 1
        assert all(is_guarded(each) for each in answers)
        assert 'lang="ar" dir="rtl"' in answers[0].text
        assert all_rows(tmp_path) == before


async def test_who_tries_tokens_is_slowed_down(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        link = one_click_of((await readers.mails("e-1"))["reminder"])
        statuses = []
        for _ in range(400):
            answer = await readers.ask("GET", link[:-1])
            statuses.append(answer.status)
            if answer.status == 429:
                break
        assert statuses[-1] == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert statuses.count(404) >= 90


async def test_a_customer_chooses(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        page = links_of((await readers.mails("e-1"))["offer"])[1]
        shown = (await readers.ask("GET", page)).text
        assert [shown.count(each) for each in ("Reminders about points", ">Offers<", "reports", " checked")] == [
            1,
            1,
            0,
            2,
        ]
        assert shown.index("Reminders about") < shown.index(">Offers<")

        form = {"shown": ["reminders", "offers", "nobody-has-it"], "wanted": ["offers", "nobody-has-it"], "do": "save"}
        answer = await readers.ask("POST", page, form)
        assert (answer.status, 'role="status"' in answer.text, answer.text.count(" checked")) == (200, True, 1)
        assert await readers.ended(await readers.publish("e-2")) == {
            "reminder": "SUPPRESSED", "offer": "DELIVERED", "receipt": "DELIVERED", "copy": "DELIVERED",
        }  # fmt: skip
        contact = await readers.contact()
        assert dict(contact.consents) == {"reminders": False, "offers": True}
        assert {each.source for each in contact.consent_marks.values()} == {pb.CONSENT_SOURCE_PREFERENCE_PAGE}
        code, out, _ = await run_tidings(
            "contacts", "show", str(ORG), MEMBER, "--to", f"127.0.0.1:{readers.gateway.grpc_port}"
        )
        assert code == 0
        assert "reminders=preference page, 20" in out


async def test_a_customer_wants_nothing_and_then_something(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        page = links_of((await readers.mails("e-1"))["offer"])[1]
        answer = await readers.ask("POST", page, {"shown": ["reminders", "offers"], "wanted": "offers", "do": "none"})
        assert answer.text.count(" checked") == 0
        stub = ContactServiceStub(readers.gateway.channel)
        (suppressed,) = (await stub.ListSuppressions(pb.ListSuppressionsRequest(org_id=ORG))).suppressions
        assert (suppressed.address, suppressed.reason) == (ADDRESS, pb.SUPPRESSION_REASON_UNSUBSCRIBED)
        assert await readers.ended(await readers.publish("e-2")) == {
            "reminder": "SUPPRESSED", "offer": "SUPPRESSED", "receipt": "DELIVERED", "copy": "DELIVERED",
        }  # fmt: skip

        answer = await readers.ask("POST", page, {"shown": ["reminders", "offers"], "wanted": "offers", "do": "save"})
        assert answer.text.count(" checked") == 1
        assert (await readers.ended(await readers.publish("e-3")))["offer"] == "DELIVERED"


async def test_pages_speak_the_customers_language(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        link, page = links_of((await readers.mails("e-1"))["reminder"])
        for locale, opening, words in [
            ("ar-AE", '<html lang="ar" dir="rtl">', "إلغاء الاشتراك"),
            ("de", '<html lang="de" dir="ltr">', "Abmelden"),
            ("fr", '<html lang="en" dir="ltr">', "Unsubscribe"),
        ]:
            await readers.gateway.upsert(pb.Contact(org_id=ORG, customer_id=MEMBER, locale=locale))
            text = (await readers.ask("GET", link)).text
            assert (opening in text, words in text) == (True, True)
        await readers.gateway.upsert(pb.Contact(org_id=ORG, customer_id=MEMBER, locale="ar"))
        assert "تذكيرات" in (await readers.ask("GET", page)).text


async def test_an_address_without_a_customer_is_taken_off_by_itself(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        await readers.mails("e-1")
        box = TokenBox([SECRET])
        reader = Reader(org_id=ORG, address="friend@example.org", category="offers")
        token = box.seal(Purpose.UNSUBSCRIBE, reader)
        link = f"https://notify.example.com/mail/unsubscribe/{token}"
        assert (await readers.ask("POST", link, ONE_CLICK)).status == 200
        stub = ContactServiceStub(readers.gateway.channel)
        (suppressed,) = (await stub.ListSuppressions(pb.ListSuppressionsRequest(org_id=ORG))).suppressions
        assert (suppressed.address, suppressed.reason) == ("friend@example.org", pb.SUPPRESSION_REASON_UNSUBSCRIBED)


async def test_a_brand_that_is_gone_can_still_be_unsubscribed_from(tmp_path: Path) -> None:
    async with wire(tmp_path) as readers:
        box = TokenBox([SECRET])
        token = box.seal(Purpose.UNSUBSCRIBE, Reader(org_id=1, customer_id="x", category="offers"))
        link = f"https://notify.example.com/mail/unsubscribe/{token}"
        assert (await readers.ask("GET", link)).status == 200
        assert (await readers.ask("POST", link, ONE_CLICK)).status == 200
        stub = ContactServiceStub(readers.gateway.channel)
        answer = await stub.GetContact(pb.GetContactRequest(org_id=1, customer_id="x"))
        assert dict(answer.contact.consents) == {"offers": False}


async def test_a_gateway_without_links_says_so_and_the_log_names_nobody(tmp_path: Path) -> None:
    rule = """
version: 1
rules:
  - {id: offer, event: pointsExpiryReminder, category: offers, notify: [email: {to: customer, template: expiring}]}
"""
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=rule, orgs=(ORG,))
    (tmp_path / "secret").write_text(SECRET)
    config = write_config(tmp_path, rules=str(rules), unsubscribe={"secret": f"file:{tmp_path}/secret"})
    async with running_gateway(config) as gateway:
        token = TokenBox([SECRET]).seal(
            Purpose.UNSUBSCRIBE, Reader(org_id=ORG, customer_id=MEMBER, category="offers", delivery_id="dlv_x")
        )
        import aiohttp

        url = f"http://127.0.0.1:{gateway.http_port}/unsubscribe/{token}"
        async with aiohttp.ClientSession() as client, client.post(url, data=ONE_CLICK) as answer:
            assert answer.status == 200
        assert await gateway.stop() == 0
    warnings = [each for each in gateway.log if each["event"] == "unsubscribe.links_missing"]
    assert [(each["setting"], each["rules"]) for each in warnings] == [("http.public_url", 1)]
    (said,) = [each for each in gateway.log if each["event"] == "consent.said"]
    assert {name: said[name] for name in ("org", "delivery", "source", "objects_to", "agrees_to")} == {
        "org": ORG, "delivery": "dlv_x", "source": "unsubscribe_link", "objects_to": ["offers"], "agrees_to": [],
    }  # fmt: skip
    assert MEMBER not in str(gateway.log)
    assert str(token) not in str(gateway.log)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no secret file:"), ("too short", "a secret must have at least 32 characters")],
)
async def test_without_a_good_secret_the_gateway_does_not_start(tmp_path: Path, content: str | None, said: str) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(tmp_path, rules=str(rules), unsubscribe={"secret": f"file:{secret}"})
    code, _, err = await run_tidings("serve", "--config", str(config))
    assert (code != 0, f"unsubscribe.secret: {said}" in err) == (True, True)
