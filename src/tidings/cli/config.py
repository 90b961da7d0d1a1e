"""``tidings config``: what can be configured, and what a configuration comes to."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml

from tidings.cli.terminal import Format, FormatOption, fail, print_json
from tidings.config import load_settings, write_reference
from tidings.errors import InvalidConfiguration

config = typer.Typer(help="See what can be configured, and what a configuration comes to.", no_args_is_help=True)

_DEFAULT: Final = Path("tidings.yaml")
_PASSWORD: Final = re.compile(r"(://[^/@:]*:)[^@]*(@)")


@config.command()
def reference() -> None:
    """Print every setting with its default and what it means, as Markdown.

    Example: tidings config reference
    """
    typer.echo(write_reference(), nl=False)


@config.command()
def show(
    file: Annotated[
        Path | None, typer.Option("--config", help="The configuration file; tidings.yaml here when there is one.")
    ] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Print the settings that the file, the environment and the defaults come to. Secrets are shown as references.

    Example: TIDINGS_GRPC__LISTEN=127.0.0.1:50052 tidings config show --config tidings.yaml
    """
    try:
        settings = load_settings(file or (_DEFAULT if _DEFAULT.exists() else None))
    except InvalidConfiguration as error:
        fail(str(error))
    plain = settings.model_dump(mode="json")
    plain["store"] = _PASSWORD.sub(r"\1…\2", plain["store"])
    if form is Format.JSON:
        print_json(plain)
    else:
        typer.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
