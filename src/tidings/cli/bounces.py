"""``tidings bounces``: what mail systems send back."""

import asyncio
import mailbox
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tidings.channels import MOST_READ
from tidings.cli.patience import patiently
from tidings.cli.terminal import DEFAULT_TO, Format, FormatOption, To, fail, gateway_channel, out, print_json
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub

bounces = typer.Typer(no_args_is_help=True, help="What mail systems send back.")
bounces.callback()(lambda: None)  # a single command keeps its name

_MBOX: Final = b"From "


@bounces.command("ingest")
def ingest(
    file: Annotated[Path | None, typer.Argument(help="A message or an mbox; standard input when absent.")] = None,
    to: To = DEFAULT_TO,
    form: FormatOption = Format.TEXT,
) -> None:
    """Read delivery status notifications and abuse reports: a mailbox that is not there, or whose owner complains, is
    put on the list of suppressed addresses.

    Made for a mailbox's pipe. A message that is neither is reported and no error.

    Example: tidings bounces ingest < bounce.eml
    """  # noqa: D205 (the help's first paragraph)
    with tempfile.TemporaryDirectory(prefix="tidings-bounces-") as folder:
        path = file or Path(folder) / "input"
        try:
            if file is None:
                with path.open("wb") as copy:
                    shutil.copyfileobj(sys.stdin.buffer, copy)
            rows = asyncio.run(_report(_messages(path), to))
        except OSError as error:
            fail(f"{file or 'standard input'} cannot be read: {error.strerror}")
    if form is Format.JSON:
        print_json({"bounces": rows})
        return
    for number, row in enumerate(rows, 1):
        about = f" (delivery {row['delivery_id']})" if row["delivery_id"] else ""
        out.print(
            f"message {number}: {row['verdict']}: {row['explanation']}{about}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip


def _messages(path: Path) -> Iterator[bytes]:
    with path.open("rb") as opened:
        if opened.read(len(_MBOX)) != _MBOX:
            opened.seek(0)
            yield opened.read(MOST_READ)
            return
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            yield box.get_bytes(key)[:MOST_READ]
    finally:
        box.close()


async def _report(messages: Iterator[bytes], to: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with gateway_channel(to) as channel:
        stub = ContactServiceStub(channel)
        for message in messages:
            request = pb.ReportBounceRequest(message=message)
            rows.append(_row(await patiently(lambda request=request: stub.ReportBounce(request))))  # type: ignore[misc]
    return rows


def _row(answer: pb.ReportBounceResponse) -> dict[str, Any]:
    return {
        "verdict": pb.BounceVerdict.Name(answer.verdict).removeprefix("BOUNCE_VERDICT_").lower(),
        "explanation": answer.explanation,
        "delivery_id": answer.delivery_id,
    }
