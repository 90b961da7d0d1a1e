"""Opens the channels that settings ask for, and closes them within a bounded time."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import assert_never

from tidings.channels.http_client import Resolve, open_http_client, system_resolve
from tidings.channels.mailbox import Mailbox
from tidings.channels.port import EmailChannel, WebhookChannel
from tidings.channels.settings import EmailSettings, WebhookSettings
from tidings.channels.smtp import SmtpSender
from tidings.channels.smtp_connection import Access, RelayUnavailable, SmtpConnection
from tidings.channels.smtp_pool import SmtpPool
from tidings.channels.transport import Capture, Relay, parse_transport
from tidings.channels.webhook import WebhookSender
from tidings.errors import InvalidConfiguration
from tidings.model import Secrets


def open_email_channel(settings: EmailSettings, secrets: Secrets) -> AbstractAsyncContextManager[EmailChannel]:
    """Open the transport that the settings name: a Mailbox, or a pool of connections to a relay.

    No connection is made before the first message. Raises InvalidConfiguration, on entering, for a directory
    or a certificate file that cannot be used.
    """
    match parse_transport(settings.transport):
        case Capture() as capture:
            return _open_mailbox(capture)
        case Relay() as relay:
            return _open_smtp(settings, relay, secrets)
        case unreachable:
            assert_never(unreachable)


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
async def _open_smtp(settings: EmailSettings, relay: Relay, secrets: Secrets) -> AsyncIterator[SmtpSender]:
    context = await asyncio.to_thread(_tls_context, relay.ca, "email.transport", system=relay.ca is None)
    own_name = await asyncio.to_thread(socket.getfqdn)
    hello = settings.hello or own_name

    async def connect() -> SmtpConnection:
        password = secrets(relay.password) if relay.password else None
        if relay.password and password is None:
            raise RelayUnavailable(f"login: there is no secret {relay.password}")
        return await SmtpConnection.open(
            Access(relay=relay, context=context, hello=hello, password=password.strip() if password else None)
        )

    pool = SmtpPool(connect, settings)
    try:
        yield SmtpSender(pool, settings)
    finally:
        await pool.close()


@contextlib.asynccontextmanager
async def open_webhook_channel(
    settings: WebhookSettings, secrets: Secrets, *, resolve: Resolve = system_resolve
) -> AsyncIterator[WebhookChannel]:
    """Open the webhook channel; ``resolve`` looks names up.

    Raises InvalidConfiguration for a certificate file that cannot be used.
    """
    context = await asyncio.to_thread(_tls_context, settings.ca, "webhook.ca", system=True)
    async with open_http_client(settings, context=context, resolve=resolve) as client:
        yield WebhookSender(client, secrets)


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
