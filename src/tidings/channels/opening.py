"""Opens the channels that settings ask for, and closes them within a bounded time."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from tidings.channels.certificates import ClientCertificates
from tidings.channels.dkim import DkimSigner, SigningKey, UnusableKey, read_signing_key
from tidings.channels.http_addresses import Resolve, system_resolve
from tidings.channels.http_client import open_http_client
from tidings.channels.mailbox import Mailbox
from tidings.channels.port import EmailChannel, WebhookChannel
from tidings.channels.settings import DkimKey, EmailSettings, WebhookSettings
from tidings.channels.shaping import Seat, the_only_one
from tidings.channels.smtp import SmtpSender
from tidings.channels.smtp_connection import Access, RelayUnavailable, SmtpConnection
from tidings.channels.smtp_pool import Connect
from tidings.channels.smtp_relay import SmtpRelay
from tidings.channels.transport import Capture, Relay, parse_transport
from tidings.channels.webhook import WebhookSender
from tidings.errors import InvalidConfiguration
from tidings.model import SecretRef, Secrets
from tidings.telemetry.metrics import Metrics


def open_email_channel(
    settings: EmailSettings, secrets: Secrets, *, metrics: Metrics | None = None, seat: Seat = the_only_one
) -> AbstractAsyncContextManager[EmailChannel]:
    """Open the transport that the settings name: a Mailbox, or relays with a pool of connections each.

    No connection is made before the first message. How relays fare is counted in ``metrics``; ``seat`` says with how
    many gateways the limits of domains are shared. Raises InvalidConfiguration, on entering, for a directory, a
    certificate file or a signing key that cannot be used.
    """
    transports = [parse_transport(each) for each in settings.transports]
    relays = [each for each in transports if isinstance(each, Relay)]
    if relays:
        return _open_smtp(settings, relays, secrets, metrics or Metrics(), seat)
    (capture,) = (each for each in transports if isinstance(each, Capture))
    return _open_mailbox(capture)


@contextlib.asynccontextmanager
async def _open_mailbox(capture: Capture) -> AsyncIterator[Mailbox]:
    if capture.directory is None:
        yield Mailbox()
        return
    directory = Path(capture.directory)
    try:
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidConfiguration(
            f"email.transport: the directory {directory} cannot be made: {error.strerror}"
        ) from error
    yield Mailbox(directory)


@contextlib.asynccontextmanager
async def _open_smtp(
    settings: EmailSettings, relays: Sequence[Relay], secrets: Secrets, metrics: Metrics, seat: Seat
) -> AsyncIterator[SmtpSender]:
    signer = DkimSigner(await asyncio.to_thread(_signing_keys, settings, secrets))
    own_name = await asyncio.to_thread(socket.getfqdn)
    clock = asyncio.get_running_loop().time
    async with contextlib.AsyncExitStack() as closing:
        opened = []
        for relay in relays:
            connect = await _connector(relay, secrets, hello=settings.hello or own_name)
            name = f"{relay.host}:{relay.port}"
            opened.append(SmtpRelay(name, connect, settings, clock=clock, metrics=metrics))
            closing.push_async_callback(opened[-1].close)
        yield SmtpSender(opened, settings, signer=signer, clock=clock, seat=seat)


async def _connector(relay: Relay, secrets: Secrets, *, hello: str) -> Connect:
    """Return what connects to the relay; its password is looked up each time, so that it may change."""
    context = await asyncio.to_thread(_tls_context, relay.ca, "email.transport", system=relay.ca is None)

    async def connect() -> SmtpConnection:
        password = secrets(relay.password) if relay.password else None
        if relay.password and password is None:
            raise RelayUnavailable(f"login: there is no secret {relay.password}")
        return await SmtpConnection.open(
            Access(relay=relay, context=context, hello=hello, password=password.strip() if password else None)
        )

    return connect


def _signing_keys(settings: EmailSettings, secrets: Secrets) -> list[SigningKey]:
    keys = []
    for domain, given in settings.dkim.items():
        for each in (given,) if isinstance(given, DkimKey) else given:
            pem = secrets(SecretRef.parse(each.key))
            if pem is None:
                raise InvalidConfiguration(f"email.dkim.{domain}: there is no secret {each.key}")
            try:
                keys.append(read_signing_key(pem, domain=domain, selector=each.selector))
            except UnusableKey as error:
                raise InvalidConfiguration(f"email.dkim.{domain}: {each.key} cannot sign: {error}") from None
    return keys


@contextlib.asynccontextmanager
async def open_webhook_channel(
    settings: WebhookSettings, secrets: Secrets, *, resolve: Resolve = system_resolve
) -> AsyncIterator[WebhookChannel]:
    """Open the webhook channel; ``resolve`` looks names up.

    Raises InvalidConfiguration for a certificate file that cannot be used.
    """
    context = await asyncio.to_thread(_tls_context, settings.ca, "webhook.ca", system=True)
    async with open_http_client(settings, context=context, resolve=resolve) as client:
        certificates = ClientCertificates(partial(_tls_context, settings.ca, "webhook.ca", system=True))
        yield WebhookSender(client, secrets, certificates)


def _tls_context(ca: str | None, setting: str, *, system: bool) -> ssl.SSLContext:
    """Trust the system's certificates, those in the file ``ca``, or both."""
    try:
        context = ssl.create_default_context(cafile=None if system else ca)
        if ca is not None and system:
            context.load_verify_locations(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidConfiguration(f"{setting}: the certificates in {ca} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
