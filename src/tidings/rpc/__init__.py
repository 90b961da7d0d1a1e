"""The gRPC face: converts messages, calls use cases, and gives errors their statuses. No rule lives here."""

from tidings.rpc.contact_service import ContactService
from tidings.rpc.delivery_service import DeliveryService
from tidings.rpc.rule_service import RuleService
from tidings.rpc.server import GrpcServer, open_grpc_server
from tidings.rpc.services import EventService
from tidings.rpc.settings import GrpcSettings
from tidings.rpc.status import STATUS, status_code, status_of

__all__ = [
    "STATUS",
    "ContactService",
    "DeliveryService",
    "EventService",
    "GrpcServer",
    "GrpcSettings",
    "RuleService",
    "open_grpc_server",
    "status_code",
    "status_of",
]
