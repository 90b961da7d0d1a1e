"""The vendors' webhooks over real HTTP, and JSON bodies over gRPC."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    eventually,
    open_test_gateway,
    run_tidings,
    state_of,
    write_config,
)
from rulebook_kit import RULES, write_rulebook
from sink_kit import HttpSink, http_sink
from tidings.events import sample
from tidings.gateway.v1.event_service_pb2 import PublishJsonRequest
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub

CALLBACK = "https://notify.example.com/intake/k42"
K42_SECRET = "made-up-signing-secret"
KEY = "made-up-header-value"
CASHBACK = """
  - id: cashback
    event: cashback.created
    notify:
      - webhook: {to: crm, body: {amount: data.amount, currency: data.currency}}
"""
BATCH = {"events": [sample("cashback.created"), sample("qualifying_purchase.voided")]}


@dataclass(slots=True)
class Intake:
    """A gateway with both intakes open, and the means to post to them."""

    gateway: RunningGateway
    http: aiohttp.ClientSession

    async def capillary(self, body: Any, **headers: str) -> tuple[int, Any]:
        return await self._post("/intake/capillary", body, {"X-Api-Key": KEY} | headers)

    async def k42(self, body: bytes, signature: str | None) -> tuple[int, Any]:
        headers = {} if signature is None else {"x-k42-signature": signature}
        return await self._post("/intake/k42", body, headers)

    async def _post(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(path, data=data, headers=headers) as response:
            return response.status, await response.json(content_type=None)


def signed(body: bytes, secret: str = K42_SECRET) -> str:
    return hmac.new(secret.encode(), CALLBACK.encode() + body, hashlib.sha256).hexdigest()


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    async with http_sink(CRM_SECRET) as server:
        yield server


@pytest.fixture
async def intake(tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Intake]:
    monkeypatch.setenv("K42_SECRET", K42_SECRET)
    monkeypatch.setenv("CAPILLARY_KEY", KEY)
    rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES + CASHBACK)
    settings = {
        "capillary": {"headers": {"X-Api-Key": "env:CAPILLARY_KEY"}},
        "k42": {"org": 50750, "secret": "env:K42_SECRET", "callback_url": CALLBACK},
        "max_body_bytes": 100_000,
    }
    async with (
        open_test_gateway(write_config(tmp_path, rules=str(rules), intake=settings)) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
    ):
        yield Intake(gateway, http)


async def rejected(intake: Intake) -> list[dict[str, Any]]:
    to = f"127.0.0.1:{intake.gateway.grpc_port}"
    code, out, _ = await run_tidings("events", "list", "--rejected", "--format", "json", "--to", to)
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["rejected"]
    return found


async def test_a_posted_event_ends_in_a_delivery_and_a_repeat_in_none(intake: Intake, sink: HttpSink) -> None:
    status, answer = await intake.capillary(sample("pointsIssued"))
    event_id = sample("pointsIssued")["eventId"]
    assert (status, answer) == (200, {"results": [{"path": "", "status": "accepted", "event_id": event_id}]})
    status, answer = await intake.capillary(sample("pointsIssued"))
    assert (status, answer["results"][0]["status"]) == (200, "duplicate")
    (delivery,) = await intake.gateway.deliveries()
    assert state_of(await intake.gateway.ended(delivery.id)) == "DELIVERED"
    assert [call.headers["webhook-id"] for call in sink.received] == [delivery.id]


async def test_a_signed_batch_is_taken_for_the_configured_organisation(intake: Intake, sink: HttpSink) -> None:
    body = json.dumps(BATCH).encode()
    status, answer = await intake.k42(body, signed(body))
    assert (status, [each["status"] for each in answer["results"]]) == (200, ["accepted", "accepted"])
    (delivery,) = await intake.gateway.deliveries()
    assert (delivery.org_id, delivery.event_name) == (50750, "cashback.created")
    assert state_of(await intake.gateway.ended(delivery.id)) == "DELIVERED"
    assert sink.received[0].json["data"] == {"amount": 500, "currency": "GBP"}


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "0" * 64,
        signed(json.dumps(BATCH).encode(), "another"),
        signed(json.dumps(BATCH).encode()).upper(),
        "é",
    ],
    ids=["missing", "empty", "wrong", "another secret", "upper case", "not ASCII"],
)
async def test_a_batch_without_its_signature_is_refused(intake: Intake, signature: str | None) -> None:
    status, answer = await intake.k42(json.dumps(BATCH).encode(), signature)
    assert (status, answer["reason"]) == (401, "UNAUTHENTICATED")
    assert await intake.gateway.deliveries() == []


async def test_a_body_that_was_encoded_again_does_not_fit_its_signature(intake: Intake) -> None:
    signature = signed(json.dumps(BATCH).encode())
    status, _ = await intake.k42(json.dumps(BATCH, indent=1).encode(), signature)
    assert status == 401


async def test_a_post_without_the_configured_header_is_refused(intake: Intake) -> None:
    status, _ = await intake.capillary(sample("pointsIssued"), **{"X-Api-Key": "another"})
    assert status == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"text"', b"\xff", b'{"eventName": "pointsIssued"}', b"[" * 5_000 + b"]" * 5_000],
    ids=["empty", "cut", "no objects", "text", "not UTF-8", "no organisation", "deep"],
)
async def test_a_body_that_cannot_be_read_is_400_and_kept(intake: Intake, body: bytes) -> None:
    status, answer = await intake.capillary(body)
    assert status == 400
    assert "message" in json.dumps(answer)
    (kept,) = await rejected(intake)
    assert (kept["intake"], kept["body"]) == ("capillary", body.decode("utf-8", "backslashreplace"))
    assert kept["reason"]


async def test_a_partly_bad_batch_commits_the_good_and_says_which_are_bad(intake: Intake) -> None:
    batch = {"events": [sample("cashback.created"), {"type": 5}]}
    body = json.dumps(batch).encode()
    status, answer = await intake.k42(body, signed(body))
    assert status == 200
    assert [(each["path"], each["status"]) for each in answer["results"]] == [
        ("/events/0", "accepted"),
        ("/events/1", "refused"),
    ]
    assert len(await intake.gateway.deliveries()) == 1
    (kept,) = await rejected(intake)
    assert "/events/1" in kept["reason"]


async def test_a_list_is_taken_event_by_event(intake: Intake) -> None:
    names = ["pointsIssued", "tierUpgraded", "customerAdded"]
    status, answer = await intake.capillary([sample(name) for name in names])
    assert (status, [each["status"] for each in answer["results"]]) == (200, ["accepted"] * 3)


async def test_an_id_with_other_content_is_refused_for_good(intake: Intake) -> None:
    await intake.capillary(sample("pointsIssued"))
    changed = sample("pointsIssued") | {"refId": "another"}
    status, answer = await intake.capillary(changed)
    assert (status, answer["results"][0]["reason"]) == (400, "EVENT_ID_REUSED")


async def test_too_large_a_body_is_refused(intake: Intake) -> None:
    status, answer = await intake.capillary(b" " * 100_001)
    assert (status, answer["reason"]) == (413, "BODY_TOO_LARGE")


async def test_an_intake_that_is_not_configured_is_not_there(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with (
        open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
        http.post("/intake/k42", data=b"{}") as response,
    ):
        assert response.status == 404


async def test_a_body_over_grpc_has_a_result_for_each_event(intake: Intake) -> None:
    stub = EventServiceStub(intake.gateway.channel)
    lenient = sample("pointsIssued") | {"createdAt": 1750224535590.0}
    answer = await stub.PublishJson(PublishJsonRequest(body=json.dumps([lenient, {}]).encode()))
    good, bad = answer.results
    assert (good.published.duplicate, [each.path for each in good.warnings]) == (False, ["/createdAt"])
    assert (bad.fault.reason, bad.fault.fields[0].field) == ("INVALID_EVENT", "/1")


async def test_a_body_over_grpc_that_cannot_be_read_is_an_invalid_argument(intake: Intake) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await EventServiceStub(intake.gateway.channel).PublishJson(PublishJsonRequest(body=b"{"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_lines_are_published_and_a_bad_one_has_a_line_of_its_own(intake: Intake, tmp_path: Path) -> None:
    events = [json.dumps(sample("pointsIssued") | {"eventId": f"line-{number}"}) for number in range(200)]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join([*events[:50], "{", *events[50:], json.dumps({"orgId": 1}), ""]))
    to = f"127.0.0.1:{intake.gateway.grpc_port}"
    code, _, err = await run_tidings("publish", str(file), "--to", to)
    assert code == 1
    assert f"{file}:51: " in err
    assert f"{file}:202: INVALID_EVENT: " in err
    assert "200 accepted, 0 duplicates, 2 refused, 200 deliveries" in err
    code, _, err = await run_tidings("publish", "-", "--to", to, stdin="\n".join(events).encode())
    assert (code, "0 accepted, 200 duplicates" in err) == (0, True)


@pytest.mark.long
async def test_a_store_that_cannot_commit_asks_the_vendor_to_wait(tmp_path: Path) -> None:
    """SQLite's file is locked by another process for as long as the store waits for it."""
    import sqlite3

    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with (
        open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway,
        aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as http,
    ):
        locking = await asyncio.to_thread(sqlite3.connect, tmp_path / "tidings.db", check_same_thread=False)
        locking.execute("BEGIN IMMEDIATE")
        async with http.post("/intake/capillary", json=sample("pointsIssued")) as response:
            refused = response.status, response.headers["Retry-After"], (await response.json())["reason"]
        locking.rollback()
        locking.close()
        statuses: list[int] = []

        async def is_taken() -> bool:
            async with http.post("/intake/capillary", json=sample("pointsIssued")) as response:
                statuses.append(response.status)
            return statuses[-1] == 200

        await eventually(is_taken)  # until a transaction was quick again, callers may still be asked to wait
    assert refused == (503, "5", "STORE_UNAVAILABLE")
    assert set(statuses) <= {200, 429}
