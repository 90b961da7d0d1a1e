"""Keys over the real wire: one organisation can never read or touch another's things."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import trustme
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo

from gateway_kit import (
    CRM_SECRET,
    RunningGateway,
    details_of,
    eventually,
    open_test_gateway,
    running_gateway,
    write_config,
)
from rulebook_kit import write_rulebook
from sink_kit import http_sink
from tidings.access import Key, KeyFile, NewKey, Permission, new_key
from tidings.client import ClientSettings, TidingsClient, event_of, open_channel
from tidings.config import load_settings
from tidings.errors import InvalidConfiguration, PermissionDenied, Unauthenticated
from tidings.events.v1.common_pb2 import CustomerIdentifiers
from tidings.events.v1.event_pb2 import Event
from tidings.events.v1.points_pb2 import PointsIssued
from tidings.gateway.v1 import (
    contact_service_pb2,
    contact_service_pb2_grpc,
    delivery_service_pb2,
    delivery_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    rule_service_pb2,
    rule_service_pb2_grpc,
)
from tidings.rpc.access import ACCESS

OURS, THEIRS = 50750, 50261
RULES = """
version: 1
rules:
  - id: ours
    event: pointsIssued
    orgs: [50750]
    notify: [{webhook: {to: crm}}]
  - id: theirs
    event: pointsIssued
    orgs: [50261]
    notify: [{webhook: {to: crm}}]
  - id: both
    event: pointsIssued
    orgs: [50750, 50261]
    mode: shadow
    notify: [{webhook: {to: crm}}]
"""
SERVICES: dict[str, tuple[Any, Any]] = {
    "EventService": (event_service_pb2, event_service_pb2_grpc.EventServiceStub),
    "RuleService": (rule_service_pb2, rule_service_pb2_grpc.RuleServiceStub),
    "DeliveryService": (delivery_service_pb2, delivery_service_pb2_grpc.DeliveryServiceStub),
    "ContactService": (contact_service_pb2, contact_service_pb2_grpc.ContactServiceStub),
}


def issued(org_id: int, event_id: str) -> Event:
    points = PointsIssued(customer_identifiers=CustomerIdentifiers(customer_id=4711))
    return event_of(points, org_id=org_id, event_id=event_id)


def key_for(made: NewKey, *orgs: int, may: frozenset[Permission] = frozenset(Permission)) -> Key:
    return Key(
        id=made.id,
        name="test",
        digest=made.digest,
        orgs=frozenset(orgs) or None,
        permissions=may,
        created_at=datetime.now(UTC),
    )


@pytest.fixture
def ours() -> NewKey:
    return new_key()


@pytest.fixture
def theirs() -> NewKey:
    return new_key()


@pytest.fixture
async def gateway(tmp_path: Path, ours: NewKey, theirs: NewKey) -> AsyncIterator[RunningGateway]:
    KeyFile(tmp_path / "keys.yaml").write([key_for(ours, OURS), key_for(theirs, THEIRS)])
    async with http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(tmp_path / "rules", crm=sink.url, rules=RULES)
        config = write_config(tmp_path, rules=str(rules), auth={"keys": str(tmp_path / "keys.yaml")})
        async with open_test_gateway(config) as running:
            yield running


@asynccontextmanager
async def calling(gateway: RunningGateway, made: NewKey) -> AsyncIterator[grpc.aio.Channel]:
    async with open_channel(f"127.0.0.1:{gateway.grpc_port}", key=made.token) as channel:
        yield channel


def methods() -> Iterator[tuple[str, Any, Any]]:
    """Yield the service, the method's descriptor and the stub's class of every method there is."""
    for service, (module, stub) in SERVICES.items():
        for method in module.DESCRIPTOR.services_by_name[service].methods:
            yield service, method, stub


def about(kind: Any, *, org_id: int, event_id: str, delivery_id: str) -> Any:
    """Build a request about these things, as far as its kind has fields for them."""
    message = kind()
    body = json.dumps({"eventName": "pointsIssued", "eventId": "n", "orgId": org_id, "data": {}}).encode()
    given = {
        "org_id": org_id,
        "event_id": event_id,
        "delivery_id": delivery_id,
        "customer_id": "4711",
        "body": body,
        "event": issued(org_id, "new"),
        "events": [issued(org_id, "new")],
        "contacts": [contact_service_pb2.Contact(org_id=org_id, customer_id="4711")],
        "contact": contact_service_pb2.Contact(org_id=org_id, customer_id="4711"),
        "delivery_ids": [delivery_id],
    }
    for field in kind.DESCRIPTOR.fields:
        if field.name in given:
            message.MergeFrom(kind(**{field.name: given[field.name]}))
    if kind is rule_service_pb2.CheckRulesRequest:
        message.files.add(path="rules.yaml", content=b"version: 1\nrules: []\n")
    return message


async def answers(channel: grpc.aio.Channel, method: Any, stub: Any, request: Message) -> list[Message]:
    """Call a method of any shape and return what it answers; a stream without end is left after a moment."""
    call = getattr(stub(channel), method.name)
    if method.client_streaming:
        return [each async for each in call(iter([request]))]
    if not method.server_streaming:
        return [await call(request, timeout=20)]
    found: list[Message] = []
    try:
        async with asyncio.timeout(1):
            found.extend([each async for each in call(request)])
    except TimeoutError:
        pass
    return found


def foreign(message: Message, *, org_id: int) -> list[str]:
    """Return where a message speaks of an organisation."""
    found = []
    for field, value in message.ListFields():
        many = list(value) if field.is_repeated else [value]
        for each in many:
            if isinstance(each, Message):
                found += [f"{field.name}.{place}" for place in foreign(each, org_id=org_id)]
            elif (field.name in ("org_id", "org_ids") and each == org_id) or "theirs" in str(each):
                found.append(field.name)
    return found


async def test_every_method_is_closed_to_the_wrong_key(gateway: RunningGateway, ours: NewKey, theirs: NewKey) -> None:
    async with calling(gateway, theirs) as owner:
        stub = event_service_pb2_grpc.EventServiceStub(owner)
        published = await stub.Publish(event_service_pb2.PublishRequest(event=issued(THEIRS, "theirs-1")))
        contact = contact_service_pb2.Contact(org_id=THEIRS, customer_id="4711", name="theirs")
        await contact_service_pb2_grpc.ContactServiceStub(owner).UpsertContacts(
            contact_service_pb2.UpsertContactsRequest(contacts=[contact])
        )
    (delivery_id,) = published.delivery_ids
    refused, leaks = [], []
    async with calling(gateway, ours) as stranger:
        for service, method, stub in methods():
            kind = getattr(SERVICES[service][0], method.input_type.name)
            request = about(kind, org_id=THEIRS, event_id="theirs-1", delivery_id=delivery_id)
            try:
                for answer in await answers(stranger, method, stub, request):
                    leaks += [f"{method.full_name}: {place}" for place in foreign(answer, org_id=THEIRS)]
            except grpc.aio.AioRpcError as error:
                refused.append((method.name, error.code()))
    assert not leaks
    assert {code for _, code in refused} == {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND}
    answered = {method.name for _, method, _ in methods()} - {name for name, _ in refused}
    assert answered == {"PublishJson", "GetRulebook", "ListRules", "CheckRules"}
    async with calling(gateway, theirs) as owner:
        delivery = delivery_service_pb2_grpc.DeliveryServiceStub(owner)
        found = await delivery.GetDelivery(delivery_service_pb2.GetDeliveryRequest(delivery_id=delivery_id))
        assert found.delivery.state == delivery_service_pb2.DELIVERY_STATE_DELIVERED or not found.delivery.reason
        events = await event_service_pb2_grpc.EventServiceStub(owner).ListEvents(
            event_service_pb2.ListEventsRequest(org_id=THEIRS)
        )
        assert [each.event_id for each in events.events] == ["theirs-1"]


def test_every_method_has_its_place_in_the_table() -> None:
    assert {f"/{method.full_name.rpartition('.')[0]}/{method.name}" for _, method, _ in methods()} == set(ACCESS)


async def test_a_stream_that_is_refused_hears_why(gateway: RunningGateway) -> None:
    """Refused before its first request has gone, a Python client tells of a send that failed instead."""
    request = event_service_pb2.PublishStreamRequest(event=issued(OURS, "refused"))
    async with open_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
        publish: Any = event_service_pb2_grpc.EventServiceStub(channel).PublishStream
        for _ in range(300):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(publish(iter([request]), timeout=20)))
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        garbage: Any = channel.stream_stream("/tidings.gateway.v1.EventService/PublishStream")
        assert await garbage(iter([b"\xff" * 9]), timeout=20).code() is grpc.StatusCode.UNAUTHENTICATED
        silent = publish(timeout=20)
        assert await silent.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_no_method_answers_without_a_key(gateway: RunningGateway) -> None:
    for service, method, stub in methods():
        request = getattr(SERVICES[service][0], method.input_type.name)()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answers(gateway.channel, method, stub, request)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, method.full_name
        info = ErrorInfo()
        assert details_of(caught.value)[0].Unpack(info)
        assert info.reason == "UNAUTHENTICATED"


async def test_a_body_is_taken_as_far_as_it_is_the_callers(gateway: RunningGateway, ours: NewKey) -> None:
    async with calling(gateway, ours) as channel:
        assert await bodies_taken(channel) == [f"e{OURS}", "PERMISSION_DENIED"]


async def test_keys_hold_beside_a_gateway_of_this_process_without_any(tmp_path: Path, ours: NewKey) -> None:
    """Whoever calls the first is noted before the second is made, and counts for nothing there."""
    KeyFile(tmp_path / "keys.yaml").write([key_for(ours, OURS)])
    folders = [tmp_path / name for name in ("open", "keyed")]
    for folder in folders:
        folder.mkdir()
    open_config, keyed_config = (
        write_config(
            folder, rules=str(write_rulebook(folder / "rules", crm="http://127.0.0.1:9/", rules=RULES)), **more
        )
        for folder, more in zip(folders, ({}, {"auth": {"keys": str(tmp_path / "keys.yaml")}}), strict=True)
    )
    async with open_test_gateway(open_config) as without, open_test_gateway(keyed_config) as keyed:
        assert await bodies_taken(without.channel) == [f"e{OURS}", f"e{THEIRS}"]
        async with calling(keyed, ours) as channel:
            assert await bodies_taken(channel) == [f"e{OURS}", "PERMISSION_DENIED"]


async def bodies_taken(channel: grpc.aio.Channel) -> list[str]:
    """Publish an event of each organisation in one body; return the id it was taken under, or why it was not."""
    body = [
        {
            "eventName": "pointsIssued",
            "eventId": f"e{org}",
            "orgId": org,
            "data": {"customerIdentifiers": {"customerId": 1}},
        }
        for org in (OURS, THEIRS)
    ]
    answer = await event_service_pb2_grpc.EventServiceStub(channel).PublishJson(
        event_service_pb2.PublishJsonRequest(body=json.dumps(body).encode())
    )
    return [each.published.event_id or each.fault.reason for each in answer.results]


async def test_a_stream_ends_at_the_first_event_of_another(gateway: RunningGateway, ours: NewKey) -> None:
    requests = [
        event_service_pb2.PublishStreamRequest(sequence=number, event=issued(org, f"s{number}"))
        for number, org in enumerate((OURS, THEIRS))
    ]
    acknowledged: list[int] = []
    async with calling(gateway, ours) as channel:
        stream = event_service_pb2_grpc.EventServiceStub(channel).PublishStream(iter(requests))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _collect(stream, acknowledged)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert acknowledged in ([0], [])


async def _collect(stream: Any, acknowledged: list[int]) -> None:
    async for response in stream:
        acknowledged += [each.sequence for each in response.acknowledgements]


async def test_a_permission_is_needed_for_each_kind_of_call(
    gateway: RunningGateway, tmp_path: Path, ours: NewKey
) -> None:
    reader = new_key()
    KeyFile(tmp_path / "keys.yaml").write(
        [key_for(ours, OURS), key_for(reader, OURS, may=frozenset({Permission.READ}))]
    )

    await eventually(lambda: knows(gateway, reader))
    async with TidingsClient(f"127.0.0.1:{gateway.grpc_port}", key=reader.token) as client:
        with pytest.raises(PermissionDenied, match="may not publish"):
            await client.publish(issued(OURS, "x"))


async def knows(gateway: RunningGateway, made: NewKey) -> bool | None:
    """Say whether a gateway knows a key by now."""
    async with calling(gateway, made) as channel:
        try:
            await rule_service_pb2_grpc.RuleServiceStub(channel).GetRulebook(rule_service_pb2.GetRulebookRequest())
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise
            return None
    return True


async def test_a_revoked_key_is_refused_within_seconds(gateway: RunningGateway, tmp_path: Path, ours: NewKey) -> None:
    settings = ClientSettings(linger=0)
    async with TidingsClient(f"127.0.0.1:{gateway.grpc_port}", key=ours.token, settings=settings) as client:
        await client.publish(issued(OURS, "before"))
        KeyFile(tmp_path / "keys.yaml").write([])

        async def refused() -> bool | None:
            try:
                await client.publish(issued(OURS, "before"))
            except Unauthenticated:
                return True
            return None

        assert await eventually(refused)


async def test_metrics_want_a_key_for_every_organisation(gateway: RunningGateway, tmp_path: Path, ours: NewKey) -> None:
    every = new_key()
    KeyFile(tmp_path / "keys.yaml").write([key_for(ours, OURS), key_for(every, may=frozenset({Permission.READ}))])
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.http_port}") as session:

        async def status(path: str, made: NewKey | None) -> int:
            headers = {"Authorization": f"Bearer {made.token}"} if made else {}
            async with session.get(path, headers=headers) as response:
                return response.status

        async def is_known() -> bool | None:
            return await status("/metrics", every) == 200 or None

        assert await eventually(is_known)
        assert [await status("/metrics", each) for each in (None, new_key(), ours)] == [401, 401, 403]
        assert await status("/healthz", None) == 200


async def test_what_operators_do_is_kept_without_personal_data(tmp_path: Path) -> None:
    made = new_key()
    KeyFile(tmp_path / "keys.yaml").write([key_for(made)])
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:1/", rules=RULES)
    config = write_config(tmp_path, rules=str(rules), auth={"keys": str(tmp_path / "keys.yaml")})
    async with running_gateway(config) as gateway:
        async with calling(gateway, made) as channel:
            contact = contact_service_pb2.Contact(
                org_id=OURS, customer_id="4711", email="asha@example.com", name="Asha"
            )
            await contact_service_pb2_grpc.ContactServiceStub(channel).UpsertContacts(
                contact_service_pb2.UpsertContactsRequest(contacts=[contact])
            )
        await gateway.stop()
        (entry,) = [each for each in gateway.log if each["event"] == "operated"]
    assert (entry["key"], entry["orgs"]) == (made.id, [OURS])
    assert str(entry["method"]).endswith("/UpsertContacts")
    text = json.dumps(gateway.log)
    assert not [each for each in ("asha", "4711", made.token) if each in text]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"grpc": {"listen": "0.0.0.0:0"}}, "without keys anybody"),
        ({"http": {"listen": "0.0.0.0:0"}}, "without keys anybody"),
        ({"grpc": {"listen": "0.0.0.0:0"}, "auth": {"keys": "keys.yaml"}}, "grpc.allow_plaintext"),
        ({"http": {"listen": "0.0.0.0:0"}, "auth": {"keys": "keys.yaml"}}, "intake.capillary.headers"),
    ],
)
def test_a_listener_that_others_reach_is_refused_while_it_is_open(
    tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        load_settings(write_config(tmp_path, **sections))


async def test_tls_wants_the_clients_certificate_and_takes_new_files(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    made = new_key()
    KeyFile(tmp_path / "keys.yaml").write([key_for(made)])
    write_certificate(authority.issue_cert("localhost"), tmp_path)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:1/", rules=RULES)
    tls = {
        "certificate": str(tmp_path / "cert.pem"),
        "key": str(tmp_path / "key.pem"),
        "client_ca": str(tmp_path / "ca.pem"),
    }
    config = write_config(
        tmp_path,
        rules=str(rules),
        auth={"keys": str(tmp_path / "keys.yaml")},
        grpc={"listen": "127.0.0.1:0", "tls": tls},
    )
    async with open_test_gateway(config) as gateway:
        good = authority.issue_cert("client@example.com")
        assert await reaches(gateway, made, trust=authority, own=good)
        assert not await reaches(gateway, made, trust=authority, own=other.issue_cert("client@example.com"))
        assert not await reaches(gateway, made, trust=authority, own=None)
        assert not await reaches(gateway, made, trust=other, own=good)
        write_certificate(other.issue_cert("localhost"), tmp_path)
        assert await reaches(gateway, made, trust=other, own=good)


def write_certificate(issued_certificate: trustme.LeafCert, folder: Path) -> None:
    chain = b"".join(each.bytes() for each in issued_certificate.cert_chain_pems)
    (folder / "cert.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(issued_certificate.private_key_pem.bytes())


async def reaches(gateway: RunningGateway, made: NewKey, *, trust: trustme.CA, own: trustme.LeafCert | None) -> bool:
    chain = b"".join(each.bytes() for each in own.cert_chain_pems) if own else None
    private = own.private_key_pem.bytes() if own else None
    credentials = grpc.ssl_channel_credentials(trust.cert_pem.bytes(), private, chain)
    async with open_channel(f"localhost:{gateway.grpc_port}", key=made.token, credentials=credentials) as channel:
        try:
            await rule_service_pb2_grpc.RuleServiceStub(channel).GetRulebook(
                rule_service_pb2.GetRulebookRequest(), timeout=5
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
    return True
