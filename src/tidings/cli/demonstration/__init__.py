"""The parts of ``tidings demo``: a scenario, and the far side it is played to."""

from tidings.cli.demonstration.scenario import CONTACTS, Scene, scenes
from tidings.cli.demonstration.sink import ReceivedWebhook, WebhookSink, open_sink

__all__ = ["CONTACTS", "ReceivedWebhook", "Scene", "WebhookSink", "open_sink", "scenes"]
