"""TLS for the gRPC listener, with certificates that may change while it runs."""

from pathlib import Path

import grpc

from tidings.errors import InvalidConfiguration
from tidings.rpc.settings import TlsSettings
from tidings.telemetry import events, get_logger

log = get_logger()


def server_credentials(settings: TlsSettings) -> grpc.ServerCredentials:
    """Return credentials that are read again when their files have changed; raise InvalidConfiguration."""
    files = _Files(settings)
    try:
        first = files.read()
    except OSError as error:
        raise InvalidConfiguration(f"grpc.tls: {error.filename} cannot be read: {error.strerror}") from error
    mutual = settings.client_ca is not None
    return grpc.dynamic_ssl_server_credentials(
        first,
        files.changed,  # type: ignore[arg-type]  # None, which the stubs leave out, keeps what there is
        require_client_authentication=mutual,
    )


class _Files:
    """The files, and when they were read."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._facts: list[tuple[int, int, int]] = []

    def read(self) -> grpc.ServerCertificateConfiguration:
        self._facts = self._look()
        authority = self._settings.client_ca
        return grpc.ssl_server_certificate_configuration(
            [(self._settings.key.read_bytes(), self._settings.certificate.read_bytes())],
            root_certificates=authority.read_bytes() if authority else None,
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what to use from now on, or None to go on as before; gRPC asks before each connection."""
        try:
            return self.read() if self._look() != self._facts else None
        except OSError as error:
            log.warning(events.CERTIFICATE_UNREADABLE, file=str(error.filename), error=str(error.strerror))
            return None

    def _look(self) -> list[tuple[int, int, int]]:
        return [
            _facts(each) for each in (self._settings.key, self._settings.certificate, self._settings.client_ca) if each
        ]


def _facts(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
