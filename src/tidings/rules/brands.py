"""From brands files to brands, or to all that is wrong with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic import ValidationError

from tidings.documents import Document, Path, Report, validate
from tidings.model import Brand, Cap, Colours, ConsentPolicy, Endpoint, QuietHours, Rate, SecretRef, Secrets, Severity
from tidings.rules.forms import is_reference, read_clock_time, read_pause, read_pauses, read_zone
from tidings.rules.shapes import BrandsFile, BrandShape, ColoursShape, EndpointShape, QuietHoursShape
from tidings.rules.timing_shapes import CapShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Brands:
    """What is known of the brands of a rulebook."""

    valid: Mapping[int, Brand]
    named: frozenset[int]
    """Organisations that some file names, be the rest of their brand valid or not."""
    complete: bool
    """Whether every brands file could be read, so that an organisation not named is unknown."""


def read_brands(documents: Iterable[Document | None], *, secrets: Secrets | None, report: Report) -> Brands:
    """Compile the brands of all files; None stands for a file that could not be read."""
    reader = _Reader(secrets, report)
    complete = True
    for document in documents:
        if document is None:
            complete = False
        else:
            reader.read(document)
    return Brands(valid=reader.valid, named=frozenset(reader.seen), complete=complete)


class _Reader:
    def __init__(self, secrets: Secrets | None, report: Report) -> None:
        self.valid: dict[int, Brand] = {}
        self.seen: dict[int, str] = {}
        """Where each organisation's first brand stands."""
        self._secrets = secrets
        self._report = report

    def read(self, document: Document) -> None:
        validate(document, BrandsFile, self._report)
        items = document.value(("brands",))
        for position, raw in enumerate(items if isinstance(items, list) else ()):
            self._brand(document, ("brands", position), raw)

    def _brand(self, document: Document, path: Path, raw: Any) -> None:
        org = raw.get("org") if isinstance(raw, dict) else None
        if not isinstance(org, int):
            return
        if org in self.seen:
            self._report(
                document.problem(
                    (*path, "org"),
                    code="duplicate-brand",
                    message=f"organisation {org} has a brand already, at {self.seen[org]}",
                    hint="keep one brand an organisation",
                )
            )
            return
        line, column = document.place((*path, "org"))
        self.seen[org] = f"{document.source.path}:{line}:{column}"
        try:
            shape = BrandShape.model_validate(raw)
        except ValidationError:
            return  # reported with the whole file
        self.valid[org] = _build(shape)
        self._check_endpoints(document, path, shape)
        if shape.quiet_hours is not None and shape.quiet_hours.start == shape.quiet_hours.end:
            self._warn(document, (*path, "quiet_hours"), "quiet hours that begin when they end are none")

    def _check_endpoints(self, document: Document, path: Path, shape: BrandShape) -> None:
        lines: dict[str, int] = {}
        for position, endpoint in enumerate(shape.endpoints):
            at: Path = (*path, "endpoints", position)
            if endpoint.name not in lines:
                lines[endpoint.name] = document.place((*at, "name")).line
            else:
                message = f"the brand has an endpoint {endpoint.name!r} already, in line {lines[endpoint.name]}"
                self._report(document.problem((*at, "name"), code="duplicate-endpoint", message=message))
            self._check_secrets(document, at, endpoint)

    def _check_secrets(self, document: Document, path: Path, endpoint: EndpointShape) -> None:
        named: list[tuple[Path, str]] = [
            ((*path, "secrets", position), reference) for position, reference in enumerate(endpoint.secrets)
        ]
        named += [((*path, "headers", name), value) for name, value in endpoint.headers.items() if is_reference(value)]
        for at, reference in named:
            if self._secrets is not None and not self._secrets(SecretRef.parse(reference)):
                self._report(
                    document.problem(
                        at,
                        code="missing-secret",
                        message=f"there is no secret {reference}",
                        hint=_cure(reference),
                    )
                )

    def _warn(self, document: Document, path: Path, message: str) -> None:
        self._report(
            document.problem(
                path,
                key=True,
                code="no-effect",
                message=message,
                hint="leave it out, or make it say something",
                severity=Severity.WARNING,
            )
        )


def _cure(reference: str) -> str:
    scheme, _, name = reference.partition(":")
    return f"set the environment variable {name}" if scheme == "env" else f"write the secret into the file {name}"


def _build(shape: BrandShape) -> Brand:
    return Brand(
        org_id=shape.org,
        name=shape.name,
        sender=shape.sender,
        alerts_to=tuple(dict.fromkeys(shape.alerts_to)),
        time_zone=read_zone(shape.time_zone),
        locale=shape.locale,
        quiet_hours=_quiet_hours(shape.quiet_hours),
        caps=tuple(_cap(each) for each in shape.caps),
        endpoints=tuple(_endpoint(shape.org, each) for each in shape.endpoints),
        weight=shape.weight,
        logo=shape.logo,
        colours=_colours(shape.colours),
        address=shape.address,
        consent=_consent(shape.consent),
        categories=MappingProxyType(dict(shape.categories)),
        keep_contacts=shape.keep_contacts,
    )


def _colours(shape: ColoursShape | None) -> Colours:
    given = shape.model_dump(exclude_none=True) if shape else {}
    return Colours(**{"link": given["primary"], **given} if "primary" in given else given)


def _consent(shape: str | Mapping[str, Literal["opt_in", "opt_out"]]) -> ConsentPolicy:
    if isinstance(shape, str):
        return ConsentPolicy(usual="opt_out" if shape == "opt_out" else "opt_in")
    return ConsentPolicy(by_category=MappingProxyType(dict(shape)))


def _quiet_hours(shape: QuietHoursShape | None) -> QuietHours | None:
    if shape is None:
        return None
    return QuietHours(start=read_clock_time(shape.start), end=read_clock_time(shape.end))


def _cap(shape: CapShape) -> Cap:
    categories = None if shape.categories is None else frozenset(shape.categories)
    return Cap(limit=shape.limit, per=read_pause(shape.per), categories=categories)


def _endpoint(org: int, shape: EndpointShape) -> Endpoint:
    return Endpoint(
        org_id=org,
        name=shape.name,
        url=shape.url,
        secrets=tuple(SecretRef.parse(each) for each in shape.secrets),
        rate=None if shape.rate is None else Rate.parse(shape.rate),
        concurrency=shape.concurrency,
        ordering=shape.ordering,
        headers=MappingProxyType({name: _header(value) for name, value in shape.headers.items()}),
        retry=read_pauses(shape.retry),
        certificate=shape.certificate,
    )


def _header(value: str) -> str | SecretRef:
    return SecretRef.parse(value) if is_reference(value) else value
