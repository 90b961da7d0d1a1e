"""The use cases of those who bring events. It decides and commits; sending is dispatch's business.

Intake and dispatch meet only in the store.
"""

from tidings.intake.bounces import BounceAnswer, BounceVerdict, TakeBounce
from tidings.intake.erasing import EraseContact
from tidings.intake.json_bodies import MAX_EVENTS, JsonAnswer, JsonResult, PublishJson
from tidings.intake.preferences import Preferences, Standing
from tidings.intake.publish import Clock, Publish, Published, system_clock
from tidings.intake.streaming import Acknowledged, StreamRoom, publish_stream
from tidings.intake.vendor_bodies import KeepingPolicy, TakeVendorBody, is_refused_whole

__all__ = [
    "MAX_EVENTS",
    "Acknowledged",
    "BounceAnswer",
    "BounceVerdict",
    "Clock",
    "EraseContact",
    "JsonAnswer",
    "JsonResult",
    "KeepingPolicy",
    "Preferences",
    "Publish",
    "PublishJson",
    "Published",
    "Standing",
    "StreamRoom",
    "TakeBounce",
    "TakeVendorBody",
    "is_refused_whole",
    "publish_stream",
    "system_clock",
]
