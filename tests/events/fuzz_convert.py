"""Fuzz target of the converter: no bytes may raise anything but ConversionError, and what converts comes back.

Run by hand: ``python tests/events/fuzz_convert.py [--runs N] [--seed N]``. With atheris installed,
``--atheris`` hands over to it (its own options follow ``--``); without, published payloads are mutated at random.
"""

import argparse
import importlib
import json
import random
import sys

from tidings.events import (
    ConversionError,
    catalog,
    convert,
    convert_one,
    native_view,
    samples,
    to_vendor_json,
    validate,
)

ORG = 50750
TOKENS = [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"1e309",
    b"-0",
    b"18446744073709551616",
    b"9007199254740993.0",
    b'"\\ud800"',
    b'"7"',
    b",",
    b":",
    b"{",
    b"]",
    b"\xff",
]


def check(payload: bytes) -> None:
    """Hold the converter to its laws on one payload."""
    try:
        conversion = convert(payload, org_id=ORG)
    except ConversionError:
        return
    for member in conversion.events:
        assert validate(member.event) == (), payload
        native_view(member.event)
        back = json.dumps(to_vendor_json(member.event))
        assert convert_one(back, org_id=ORG).event == member.event, payload


def mutate(payload: bytes, dice: random.Random) -> bytes:
    """Return the payload with one to five small things done to it."""
    text = bytearray(payload)
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(text) + 1)
        end = min(len(text), at + dice.choice([0, 1, 1, 2, 8]))
        start = dice.randrange(len(text) + 1)
        text[at:end] = dice.choice([dice.choice(TOKENS), bytes([dice.randrange(256)]), bytes(text[start : start + 40])])
    return bytes(text)


def run(runs: int, seed: int) -> None:
    """Check that many mutations of published payloads."""
    dice = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    corpus = [json.dumps(payload).encode() for event in catalog() for payload in samples(event.name)]
    for _ in range(runs):
        check(mutate(dice.choice(corpus), dice))


def main() -> None:
    """Read the command line and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true")
    options, rest = parser.parse_known_args()
    if options.atheris:
        atheris = importlib.import_module("atheris")  # optional, and without types
        atheris.Setup([sys.argv[0], *rest], check)
        atheris.Fuzz()
    else:
        run(options.runs, options.seed)


if __name__ == "__main__":
    main()
