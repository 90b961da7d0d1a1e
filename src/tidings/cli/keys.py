"""``tidings keys``: who may call a gateway."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from tidings.access import InvalidKeyFile, Key, KeyFile, Permission, new_key
from tidings.cli.terminal import PROBLEMS, Format, FormatOption, err, fail, out, print_json
from tidings.model import Rate

keys = typer.Typer(
    help="Make, list and revoke the API keys of a gateway. They live in the file that its setting auth.keys names.",
    no_args_is_help=True,
)

DEFAULT_FILE: Final = Path("keys.yaml")
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})d")

File = Annotated[Path, typer.Option("--file", help="The file of keys, as auth.keys names it.")]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, in words.")],
    allow: Annotated[list[Permission], typer.Option(help="What it may do; give the option once for each permission.")],
    orgs: Annotated[str, typer.Option(help="For which organisations: numbers with commas between, or all.")],
    expires: Annotated[
        str | None, typer.Option(help="When it ends: a number of days such as 365d, or a date. Never when absent.")
    ] = None,
    rate: Annotated[str | None, typer.Option(help="How many calls it may make, such as 100/s.")] = None,
    file: File = DEFAULT_FILE,
) -> None:
    """Make a key and print it, the only time that it can be seen. Running gateways take it within a second.

    Example: tidings keys create "order service" --orgs 50750 --allow publish --allow read --expires 365d
    """
    made = new_key()
    now = datetime.now(UTC)
    key = Key(
        id=made.id,
        name=name,
        digest=made.digest,
        orgs=_orgs(orgs),
        permissions=frozenset(allow),
        created_at=now,
        expires_at=_end(expires, now),
        rate=_rate(rate),
    )
    with_it = {**_read(file, missing_ok=True), key.id: key}
    _write(file, list(with_it.values()))
    err.print(f"Key {made.id} is in {file}. It is shown now and never again:", highlight=False)
    typer.echo(made.token)


@keys.command("list")
def list_keys(file: File = DEFAULT_FILE, form: FormatOption = Format.TEXT) -> None:
    """List the keys there are, without their secrets.

    Example: tidings keys list --file keys.yaml
    """
    found = list(_read(file).values())
    if form is Format.JSON:
        print_json({"keys": [_plain(each) for each in found]})
        return
    table = Table("id", "name", "orgs", "may", "rate", "expires")
    now = datetime.now(UTC)
    for each in found:
        plain = _plain(each)
        ended = each.expires_at is not None and each.expires_at <= now
        expires = f"{plain['expires'] or 'never'}{' (expired)' if ended else ''}"
        orgs = "all" if each.orgs is None else ", ".join(str(org) for org in sorted(each.orgs))
        table.add_row(each.id, each.name, orgs, ", ".join(plain["permissions"]), plain["rate"] or "any", expires)
    out.print(table)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.")], file: File = DEFAULT_FILE
) -> None:
    """Take a key away. Running gateways refuse it within a second.

    Example: tidings keys revoke k3v9m2qa
    """
    found = _read(file)
    if key_id not in found:
        fail(f"{file} has no key {key_id}; tidings keys list --file {file} shows those it has", code=PROBLEMS)
    _write(file, [each for each in found.values() if each.id != key_id])
    err.print(f"Key {key_id} ({found[key_id].name}) is revoked.", highlight=False, markup=False)


def _read(file: Path, *, missing_ok: bool = False) -> dict[str, Key]:
    try:
        return dict(KeyFile(file).read(missing_ok=missing_ok))
    except InvalidKeyFile as error:
        fail(str(error))


def _write(file: Path, found: Sequence[Key]) -> None:
    try:
        KeyFile(file).write(found)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")


def _orgs(text: str) -> frozenset[int] | None:
    if text == "all":
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        fail("--orgs takes numbers with commas between, such as 50750,50261, or all")
    return frozenset(int(part) for part in parts)


def _end(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if span := _SPAN.fullmatch(text):
        return now + timedelta(days=int(span[1]))
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        fail("--expires takes a number of days such as 365d, or a date such as 2027-01-31")
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    if end <= now:
        fail("--expires lies in the past")
    return end


def _rate(text: str | None) -> Rate | None:
    try:
        return None if text is None else Rate.parse(text)
    except ValueError as error:
        fail(f"--rate: {error}")


def _plain(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "orgs": "all" if key.orgs is None else sorted(key.orgs),
        "permissions": sorted(each.value for each in key.permissions),
        "rate": None if key.rate is None else str(key.rate),
        "created": key.created_at.date().isoformat(),
        "expires": None if key.expires_at is None else key.expires_at.date().isoformat(),
    }
