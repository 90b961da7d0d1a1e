"""The use cases of those who bring events. It decides and commits; sending is dispatch's business.

Intake and dispatch meet only in the store.
"""

from tidings.intake.json_bodies import JsonAnswer, JsonResult, PublishJson
from tidings.intake.publish import Clock, Publish, Published, system_clock
from tidings.intake.vendor_bodies import KeepingPolicy, TakeVendorBody, is_refused_whole

__all__ = [
    "Clock",
    "JsonAnswer",
    "JsonResult",
    "KeepingPolicy",
    "Publish",
    "PublishJson",
    "Published",
    "TakeVendorBody",
    "is_refused_whole",
    "system_clock",
]
