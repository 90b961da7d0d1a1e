"""RuleService: shows, checks, explains, previews, tests and reloads the rules."""

import asyncio
import base64
from typing import Any

import grpc

from tidings.access import Permission
from tidings.authoring.evaluate import Evaluate
from tidings.authoring.given import GivenRulebooks
from tidings.authoring.preview import Occasion, Preview
from tidings.authoring.reload import Reloader
from tidings.authoring.trial import SendTest, Target
from tidings.errors import FieldViolation, InvalidRequest
from tidings.fleet import Membership
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.gateway.v1 import rule_service_pb2_grpc as service
from tidings.model import Source
from tidings.rpc.convert import timestamp
from tidings.rpc.explanations import evaluation_to_proto, problems_to_proto, rule_to_proto
from tidings.rpc.guard import caller
from tidings.rpc.paging import page_size_of
from tidings.rpc.previews import moment_from_proto, occasion_from_proto, preview_to_proto, sent_to_proto
from tidings.rulebook import Rulebooks
from tidings.store import Presence

Context = grpc.aio.ServicerContext[Any, Any]


class RuleService(service.RuleServiceServicer):
    """Shows, checks, explains, previews, tests and reloads the rules."""

    def __init__(
        self,
        *,
        rulebooks: Rulebooks,
        reloader: Reloader,
        given: GivenRulebooks,
        evaluate: Evaluate,
        preview: Preview,
        send_test: SendTest,
        membership: Membership,
    ) -> None:
        self._membership = membership
        self._rulebooks = rulebooks
        self._reloader = reloader
        self._given = given
        self._evaluate = evaluate
        self._preview = preview
        self._send_test = send_test

    async def GetRulebook(  # noqa: N802 (gRPC's name)
        self,
        request: pb.GetRulebookRequest,  # noqa: ARG002 (gRPC's signature)
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.GetRulebookResponse:
        """Tell which rulebook is live, and what came of the last reload."""
        status, rules = self._reloader.status, self._rulebooks.current.rules
        problems, omitted = problems_to_proto(status.problems)
        return pb.GetRulebookResponse(
            revision=status.revision,
            live_since=timestamp(status.live_since),
            rule_count=len(rules.rules),
            brand_count=len(rules.brands),
            last_reload_at=timestamp(status.last_reload_at),
            last_reload_succeeded=status.succeeded,
            problems=problems,
            omitted_problems=omitted,
        )

    async def ListGateways(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ListGatewaysRequest,  # noqa: ARG002 (gRPC's signature)
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ListGatewaysResponse:
        """List the gateways that run on the same store."""
        answering = self._membership.fellows.own.id
        there = await self._membership.all_there()
        return pb.ListGatewaysResponse(gateways=[_gateway_to_proto(each, answering) for each in there])

    async def ListRules(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ListRulesRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ListRulesResponse:
        """List the live rules, in rulebook order."""
        size = page_size_of(request.page_size)
        live = self._rulebooks.current
        start = _read_token(request.page_token, live.revision)
        end = start + size
        return pb.ListRulesResponse(
            rules=[rule_to_proto(each) for each in live.rules.rules[start:end]],
            next_page_token=_write_token(end, live.revision) if end < len(live.rules.rules) else "",
        )

    async def CheckRules(  # noqa: N802 (gRPC's name)
        self,
        request: pb.CheckRulesRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.CheckRulesResponse:
        """Find every problem of a given rulebook."""
        problems, omitted = problems_to_proto(await self._given.check([_source(each) for each in request.files]))
        return pb.CheckRulesResponse(problems=problems, omitted_problems=omitted)

    async def Evaluate(  # noqa: N802 (gRPC's name)
        self,
        request: pb.EvaluateRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.EvaluateResponse:
        """Say what a rulebook would decide on an event, and why."""
        evaluation = await self._evaluate(
            request.event,
            files=[_source(each) for each in request.files],
            rule_id=request.rule_id or None,
            now=moment_from_proto(request),
        )
        return await asyncio.to_thread(evaluation_to_proto, evaluation)

    async def Preview(  # noqa: N802 (gRPC's name)
        self,
        request: pb.PreviewRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.PreviewResponse:
        """Show the messages that would go out for an event."""
        occasion = _permitted(occasion_from_proto(request))
        previewed = await self._preview(occasion, all_locales=request.all_locales)
        return await asyncio.to_thread(preview_to_proto, previewed)

    async def SendTest(  # noqa: N802 (gRPC's name)
        self,
        request: pb.SendTestRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.SendTestResponse:
        """Send the messages of an event to one given address or endpoint."""
        target = Target(address=request.address or None, endpoint=request.endpoint or None)
        sent = await self._send_test(_permitted(occasion_from_proto(request)), target)
        return pb.SendTestResponse(sent=[sent_to_proto(each) for each in sent])

    async def ReloadRules(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ReloadRulesRequest,  # noqa: ARG002 (gRPC's signature)
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ReloadRulesResponse:
        """Read the rulebook's folder again and make it live if it has no errors."""
        status = await self._reloader.reload()
        problems, omitted = problems_to_proto(status.problems)
        return pb.ReloadRulesResponse(
            succeeded=status.succeeded, revision=status.revision, problems=problems, omitted_problems=omitted
        )


def _gateway_to_proto(gateway: Presence, answering: str) -> pb.Gateway:
    return pb.Gateway(
        id=gateway.id,
        host=gateway.host,
        version=gateway.version,
        role=gateway.role,
        revision=gateway.revision,
        started_at=timestamp(gateway.started_at),
        seen_at=timestamp(gateway.seen_at),
        answering=gateway.id == answering,
    )


def _source(file: pb.RulebookFile) -> Source:
    return Source(path=file.path, data=file.content)


def _permitted(occasion: Occasion) -> Occasion:
    """Return the occasion; raise PermissionDenied for a customer looked up by whom may not look at customers."""
    if occasion.customer_id is not None:
        caller().require(Permission.CONTACTS)
    return occasion


def _write_token(place: int, revision: str) -> str:
    return base64.urlsafe_b64encode(f"{place}.{revision}".encode()).decode().rstrip("=")


def _read_token(token: str, revision: str) -> int:
    """Return where the page begins; a page of one rulebook is not continued in another."""
    if not token:
        return 0
    try:
        place, _, of = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).partition(b".")
        start = int(place)
    except ValueError:
        start, of = -1, b""
    if start < 0:
        raise _refused("page_token", "is none that this gateway gave; leave it empty for the first page")
    if of.decode("ascii", "replace") != revision:
        raise _refused("page_token", "is of a rulebook that is not live any more; leave it empty to begin again")
    return start


def _refused(field: str, description: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation(field=field, description=description)])
