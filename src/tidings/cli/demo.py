"""``tidings demo``: the main job, end to end, on this machine alone."""

import asyncio
import base64
import email
import email.policy
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.panel import Panel

from tidings.app import Gateway, open_gateway
from tidings.cli.demonstration import CONTACTS, Scene, WebhookSink, open_sink, scenes
from tidings.cli.terminal import PROBLEMS, fail, out
from tidings.config import load_settings
from tidings.errors import TidingsError
from tidings.gateway.v1.contact_service_pb2 import UpsertContactsRequest
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub
from tidings.gateway.v1.event_service_pb2 import PublishRequest, PublishResponse
from tidings.gateway.v1.event_service_pb2_grpc import EventServiceStub
from tidings.model import ENDED, Channel, Delivery, State
from tidings.telemetry.logs import configure_logging

_PACKAGE = Path(__file__).parents[1]
_DEADLINE_SECONDS = 20.0
_SECRET_NAME = "EXAMPLE_CRM_SECRET"  # noqa: S105 (the name of a variable, not a value)
_CRM = b"https://crm.example.com"


def shipped_rules() -> Path:
    """Return the folder of the rulebook that comes with Tidings: inside the wheel, or in the checkout."""
    packaged = _PACKAGE / "shipped_rules"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "rules"


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Leave the gateway up afterwards, until Ctrl-C.")] = False,
) -> None:
    """Start a gateway, publish sample events over gRPC, and show what was decided and delivered.

    Uses SQLite, a capturing mailbox and a local webhook sink in a temporary folder, and nothing else.
    Exit code 0 only if each expected delivery arrived.

    Example: tidings demo --stay
    """
    configure_logging(level="warning")
    with tempfile.TemporaryDirectory(prefix="tidings-demo-") as folder:
        try:
            complete = asyncio.run(_play(Path(folder), stay=stay))
        except TidingsError as error:
            fail(f"the demo cannot start: {error}")
        except KeyboardInterrupt:
            complete = True
    if not complete:
        raise typer.Exit(PROBLEMS)


async def _play(folder: Path, *, stay: bool) -> bool:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    os.environ[_SECRET_NAME] = secret
    async with open_sink(secret) as sink:
        _copy_rules(folder / "rules", sink.port)
        os.environ.update(_environment(folder))
        async with open_gateway(load_settings(None)) as gateway:
            await gateway.start_serving()
            _say_where(gateway, sink)
            answers = await _publish(gateway.grpc_port, scenes())
            deliveries = await _until_ended(gateway, answers)
            _show_mailbox(folder / "mail")
            _show_webhooks(sink)
            complete = _verdict(scenes(), answers, deliveries, folder / "mail", sink)
            if stay:
                out.print("The gateway stays up. Ctrl-C ends it.")
                await asyncio.Event().wait()
    return complete


def _environment(folder: Path) -> dict[str, str]:
    return {
        "TIDINGS_RULES": str(folder / "rules"),
        "TIDINGS_STORE": f"sqlite:///{folder}/demo.db",
        "TIDINGS_GRPC__LISTEN": "127.0.0.1:0",
        "TIDINGS_HTTP__LISTEN": "127.0.0.1:0",
        "TIDINGS_EMAIL__TRANSPORT": f"capture:{folder}/mail",
        "TIDINGS_WEBHOOK__ALLOW_NETWORKS": '["127.0.0.0/8"]',
    }


def _copy_rules(target: Path, port: int) -> None:
    """Copy the shipped rulebook, its brands' endpoints directed at the local sink."""
    shutil.copytree(shipped_rules(), target)
    for brand in (target / "brands").glob("*.yaml"):
        brand.write_bytes(brand.read_bytes().replace(_CRM, f"http://127.0.0.1:{port}".encode()))


def _say_where(gateway: Gateway, sink: WebhookSink) -> None:
    rulebook = gateway.rulebooks.current
    out.print(f"gateway   gRPC 127.0.0.1:{gateway.grpc_port}, HTTP http://127.0.0.1:{gateway.http_port}/readyz")
    out.print(f"rulebook  {len(rulebook.rules.rules)} rules, revision {rulebook.revision}")
    out.print(f"sink      http://127.0.0.1:{sink.port}, the brands' CRM; it verifies every signature\n")


async def _publish(port: int, played: Sequence[Scene]) -> list[PublishResponse]:
    answers = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await ContactServiceStub(channel).UpsertContacts(UpsertContactsRequest(contacts=CONTACTS))
        stub = EventServiceStub(channel)
        for scene in played:
            answer = await stub.Publish(PublishRequest(event=scene.event))
            rules = ", ".join(answer.matched_rules) or "no rule"
            repeat = " (a duplicate; nothing new was decided)" if answer.duplicate else ""
            out.print(f"[bold]event[/bold]     {scene.title}\n          matched {rules}{repeat}")
            answers.append(answer)
    out.print()
    return answers


async def _until_ended(gateway: Gateway, answers: Sequence[PublishResponse]) -> dict[str, Delivery]:
    """Wait until every delivery has ended, or for as long as the demo may take."""
    wanted = {name for answer in answers for name in answer.delivery_ids}
    deliveries: dict[str, Delivery] = {}
    deadline = asyncio.get_running_loop().time() + _DEADLINE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        for name in wanted:
            found = await gateway.store.get_delivery(name)
            if found is not None:
                deliveries[name] = found[0]
        if all(name in deliveries and deliveries[name].state in ENDED for name in wanted):
            break
        await asyncio.sleep(0.02)
    return deliveries


def _mails(mailbox: Path) -> dict[str, EmailMessage]:
    return {
        file.stem: email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        for file in sorted(mailbox.glob("*.eml"))
    }


def _show_mailbox(mailbox: Path) -> None:
    for mail in _mails(mailbox).values():
        body = mail.get_body(("plain",))
        text = body.get_content().strip() if body else ""
        head = f"To: {mail['to']}\nFrom: {mail['from']}\nSubject: {mail['subject']}\n"
        out.print(Panel(f"{head}\n{text}", title="e-mail", title_align="left"), markup=False, highlight=False)


def _show_webhooks(sink: WebhookSink) -> None:
    for webhook in sink.received.values():
        text = f"webhook-id: {webhook.delivery_id}\nsignature: verified\n\n{webhook.body}"
        out.print(Panel(text, title="webhook", title_align="left"), markup=False, highlight=False)


def _verdict(
    played: Sequence[Scene],
    answers: Sequence[PublishResponse],
    deliveries: dict[str, Delivery],
    mailbox: Path,
    sink: WebhookSink,
) -> bool:
    """Compare what arrived with what each scene expects; print the outcome."""
    arrived = {Channel.EMAIL: set(_mails(mailbox)), Channel.WEBHOOK: set(sink.received)}
    missing = [f"a webhook with a wrong signature arrived {sink.rejected} times"] if sink.rejected else []
    for scene, answer in zip(played, answers, strict=True):
        found = [deliveries[name] for name in answer.delivery_ids if name in deliveries]
        good = [each for each in found if each.state is State.DELIVERED and each.id in arrived[each.channel]]
        if sorted(each.channel for each in good) != sorted(scene.expected):
            states = ", ".join(f"{each.channel.value} {each.state.value} {each.reason}" for each in found) or "nothing"
            missing.append(f"{scene.title}: expected {', '.join(scene.expected) or 'nothing'}, got {states}")
    for line in missing:
        out.print(f"missing   {line}", style="red", markup=False)
    counted = (
        f"{len(arrived[Channel.EMAIL])} e-mails, {len(arrived[Channel.WEBHOOK])} webhooks with verified signatures"
    )
    out.print(f"{'[red]incomplete' if missing else '[green]complete'}[/]  {counted}")
    return not missing
