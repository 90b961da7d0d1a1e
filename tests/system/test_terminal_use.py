"""The gateway from a terminal: grpcurl's commands from the documentation, and our own command line over TLS."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

import grpcurl_kit
from gateway_kit import RunningGateway, open_test_gateway, run_tidings, write_config
from rulebook_kit import write_rulebook
from tidings.access import Key, KeyFile, NewKey, Permission, new_key

ROOT = Path(__file__).parents[2]


def shell_blocks() -> list[str]:
    return re.findall(r"^```sh\n(grpcurl.*?)^```", (ROOT / "protos/README.md").read_text(), re.MULTILINE | re.DOTALL)


async def grpcurl(command: str, address: str, folder: Path, **variables: str) -> str:
    return await asyncio.to_thread(grpcurl_kit.run, command, address=address, folder=folder, variables=variables)


async def test_the_commands_of_the_documentation_work_by_reflection_alone(tmp_path: Path) -> None:
    discover, use, _ = shell_blocks()
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        address = f"127.0.0.1:{gateway.grpc_port}"
        services, methods, method, fields = [
            await grpcurl(each, address, tmp_path) for each in grpcurl_kit.commands_of(discover)
        ]
        assert "tidings.gateway.v1.EventService" in services.splitlines()
        assert "tidings.gateway.v1.EventService.Publish" in methods.splitlines()
        assert method == "rpc Publish (tidings.gateway.v1.PublishRequest) returns (tidings.gateway.v1.PublishResponse)"
        assert {"points_scheduled_for_expiry", "scheduled_expiry_date"} <= set(fields.splitlines())
        published, explained, listed, health = [
            json.loads(await grpcurl(each, address, tmp_path)) for each in grpcurl_kit.commands_of(use)
        ]
    assert published["matchedRules"] == ["points-expiring"]
    assert {each["id"] for each in listed["deliveries"]} == set(published["deliveryIds"])
    assert "points-expiring" in {each["ruleId"] for each in explained["explanation"]["rules"]}
    assert health == {"status": "SERVING"}


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[tuple[RunningGateway, NewKey]]:
    """A gateway that wants TLS, a certificate and a key; the caller's files lie in the folder."""
    authority, made = trustme.CA(), new_key()
    key = Key(
        id=made.id,
        name="t",
        digest=made.digest,
        orgs=None,
        permissions=frozenset(Permission),
        created_at=datetime.now(UTC),
    )
    KeyFile(tmp_path / "keys.yaml").write([key])
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name, certificate in (
        ("server", authority.issue_cert("localhost")),
        ("client", authority.issue_cert("me@example.com")),
        ("stranger", trustme.CA().issue_cert("me@example.com")),
    ):
        chain = b"".join(each.bytes() for each in certificate.cert_chain_pems)
        (tmp_path / f"{name}.pem").write_bytes(chain)
        (tmp_path / f"{name}.key").write_bytes(certificate.private_key_pem.bytes())
        (tmp_path / f"{name}-both.pem").write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    tls = {name: str(tmp_path / file) for name, file in TLS_FILES.items()}
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    config = write_config(
        tmp_path,
        rules=str(rules),
        auth={"keys": str(tmp_path / "keys.yaml")},
        grpc={"listen": "127.0.0.1:0", "tls": tls},
    )
    async with open_test_gateway(config) as gateway:
        yield gateway, made


TLS_FILES = {"certificate": "server.pem", "key": "server.key", "client_ca": "ca.pem"}


async def test_the_command_with_tls_certificate_and_key_works(
    tmp_path: Path, guarded: tuple[RunningGateway, NewKey]
) -> None:
    gateway, made = guarded
    (command,) = grpcurl_kit.commands_of(shell_blocks()[2])
    address = f"localhost:{gateway.grpc_port}"
    assert json.loads(await grpcurl(command, address, tmp_path, TIDINGS_KEY=made.token)) == {}
    with pytest.raises(grpc.RpcError, match="key is not known here"):
        await grpcurl(command, address, tmp_path, TIDINGS_KEY="tdk_aaaaaaaa_wrong")


async def test_our_command_line_takes_key_and_certificates_from_the_environment(
    tmp_path: Path, guarded: tuple[RunningGateway, NewKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, made = guarded
    listing = ("deliveries", "list", "--to", f"localhost:{gateway.grpc_port}", "--format", "json")
    monkeypatch.setenv("TIDINGS_CA", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("TIDINGS_CERTIFICATE", str(tmp_path / "client-both.pem"))
    code, _, err = await run_tidings(*listing)
    assert (code, "UNAUTHENTICATED" in err) == (2, True)
    monkeypatch.setenv("TIDINGS_KEY", made.token)
    code, out, err = await run_tidings(*listing)
    assert (code, json.loads(out)["deliveries"], err) == (0, [], "")
    monkeypatch.setenv("TIDINGS_CERTIFICATE", str(tmp_path / "stranger-both.pem"))
    code, _, err = await run_tidings(*listing)
    assert (code, "no gateway answers" in err) == (2, True)
    monkeypatch.setenv("TIDINGS_CERTIFICATE", str(tmp_path / "absent.pem"))
    code, _, err = await run_tidings(*listing)
    assert (code, "absent.pem cannot be read" in err) == (2, True)


async def test_callers_whose_certificate_another_authority_signed_keep_nobody_out(
    tmp_path: Path, guarded: tuple[RunningGateway, NewKey]
) -> None:
    gateway, made = guarded
    address = f"localhost:{gateway.grpc_port}"
    authority, chain, key = ((tmp_path / name).read_bytes() for name in ("ca.pem", "stranger.pem", "stranger.key"))
    options = [("grpc.use_local_subchannel_pool", 1)]

    async def knock() -> grpc.StatusCode:
        credentials = grpc.ssl_channel_credentials(authority, key, chain)
        async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
            call: Any = channel.unary_unary("/tidings.gateway.v1.RuleService/GetRulebook")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"", timeout=20, metadata=(("authorization", f"Bearer {made.token}"),))
            return caught.value.code()

    knocking = asyncio.gather(*(knock() for _ in range(60)))
    (command,) = grpcurl_kit.commands_of(shell_blocks()[2])
    while not knocking.done():
        assert json.loads(await grpcurl(command, address, tmp_path, TIDINGS_KEY=made.token)) == {}
    assert set(await knocking) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
