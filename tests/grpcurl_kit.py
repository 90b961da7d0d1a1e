"""As much of grpcurl as the documentation uses: commands as they stand there, by reflection alone."""

import argparse
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def commands_of(block: str) -> list[str]:
    """Split a shell block into its commands: each begins a line."""
    return [each.strip() for each in re.split(r"^(?=grpcurl )", block, flags=re.MULTILINE) if each.strip()]


def run(command: str, *, address: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a command against ``address`` instead of its own; return what it prints. Blocks: not for an event loop.

    Raises:
        grpc.RpcError: the call was refused.
        SystemExit: the command uses an option that is not known here.
    """
    words = [_expand(word, variables or {}) for word in shlex.split(command.replace("\\\n", " "))]
    parser = argparse.ArgumentParser(prog=words[0], allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true")
    for option in ("-d", "-H", "-cacert", "-cert", "-key"):
        parser.add_argument(option)
    parser.add_argument("address")
    parser.add_argument("what", nargs="+")
    asked = parser.parse_args(words[1:])
    with closing(_channel(asked, address, folder)) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        match asked.what:
            case ["list"]:
                return "\n".join(sorted(database.get_services()))
            case ["list", service]:
                return "\n".join(each.full_name for each in pool.FindServiceByName(service).methods)
            case ["describe", name]:
                return _describe(pool, name)
            case [method]:
                return _call(channel, pool, method, body=asked.d, metadata=_metadata(asked.H))
            case _:
                raise SystemExit(f"grpcurl does not know {asked.what}")


def _expand(word: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: variables[match[1]], word)


def _metadata(header: str | None) -> Sequence[tuple[str, str]]:
    if header is None:
        return ()
    name, _, value = header.partition(":")
    return ((name.strip(), value.strip()),)


def _channel(asked: argparse.Namespace, address: str, folder: Path) -> grpc.Channel:
    if asked.plaintext:
        return grpc.insecure_channel(address)
    authority, certificate, key = (
        None if name is None else (folder / name).read_bytes() for name in (asked.cacert, asked.cert, asked.key)
    )
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority, key, certificate))


def _describe(pool: DescriptorPool, name: str) -> str:
    """Name a method's messages or a message's fields."""
    service, _, short = name.rpartition(".")
    try:
        method = pool.FindServiceByName(service).methods_by_name[short]
    except KeyError:
        return "\n".join(field.name for field in pool.FindMessageTypeByName(name).fields)
    return f"rpc {method.name} ({method.input_type.full_name}) returns ({method.output_type.full_name})"


def _call(
    channel: grpc.Channel, pool: DescriptorPool, name: str, *, body: str | None, metadata: Sequence[tuple[str, str]]
) -> str:
    service, _, short = name.partition("/")
    method = pool.FindServiceByName(service).methods_by_name[short]
    request = json_format.ParseDict(
        json.loads(body or "{}"), GetMessageClass(method.input_type)(), descriptor_pool=pool
    )
    call: Any = channel.unary_unary(
        f"/{name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return json_format.MessageToJson(call(request, metadata=metadata, timeout=30), descriptor_pool=pool)
