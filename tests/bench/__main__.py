"""``make bench``: every figure beside its peer, measured in one run. ``ONLY=row`` runs one row."""

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import Row
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROWS: dict[str, Callable[[], Sequence[Row]]] = {}


def load_rows() -> None:
    """Fill ROWS. A benchmark module is imported only here, so that ``--help`` answers at once."""
    import convert_rows
    import decide_rows
    import drain_rows
    import email_rows
    import postgres_drain_rows
    import postgres_lease_rows
    import postgres_publish_rows
    import postgres_retention_rows
    import publish_rows
    import reload_rows
    import render_rows
    import webhook_rows

    ROWS.update({"publish-unary": publish_rows.publish_unary, "publish-batch": publish_rows.publish_batch})
    ROWS["publish-growth"] = publish_rows.publish_growth
    ROWS.update({"convert": convert_rows.convert, "decide": decide_rows.decide})
    ROWS.update({"decide-growth": decide_rows.decide_growth, "reload": reload_rows.reload})
    ROWS.update({"email": email_rows.email, "drain": drain_rows.drain})
    ROWS["render"] = render_rows.render
    ROWS["postgres-publish"] = postgres_publish_rows.postgres_publish
    ROWS["postgres-drain"] = postgres_drain_rows.postgres_drain
    ROWS["postgres-lease"] = postgres_lease_rows.postgres_lease
    ROWS["postgres-retention"] = postgres_retention_rows.postgres_retention
    ROWS["webhook-alertmanager"] = webhook_rows.webhook_alertmanager
    ROWS["webhook-celery"] = webhook_rows.webhook_celery


def main() -> int:
    """Measure, print the table, and write build/bench.json."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), help="the row to run; all when absent")
    only = parser.parse_args().only
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what rows have started is ended then too
    load_rows()
    chosen = [only] if only else list(ROWS)
    if unknown := set(chosen) - set(ROWS):
        sys.stderr.write(f"there is no row {', '.join(unknown)}; the rows are {', '.join(ROWS)}\n")
        return 2
    progress = Console(stderr=True)
    rows = [row for name in track(chosen, "measuring", console=progress) for row in ROWS[name]()]
    Console(width=None if sys.stdout.isatty() else 140).print(as_table(rows))
    target = Path("build/bench.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"rows": [dataclasses.asdict(row) for row in rows]}, indent=2) + "\n")
    return 0


def as_table(rows: Sequence[Row]) -> Table:
    """Lay the rows out for people."""
    table = Table("row", "ours", "peer", "unit", "ratio", "goal", "met", "spread", "note")
    for row in rows:
        met = {True: "yes", False: "no", None: ""}[row.met]
        table.add_row(
            row.row,
            number(row.ours),
            number(row.peer),
            row.unit,
            number(row.ratio),
            row.goal,
            met,
            row.spread,
            row.note,
        )
    return table


def number(value: float | None) -> str:
    """Write a figure with three significant digits or none behind the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
