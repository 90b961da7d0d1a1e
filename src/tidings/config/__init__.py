"""The configuration file, the environment and the secrets: the one place that reads them."""

from tidings.config.reference import Setting, settings_reference, write_reference
from tidings.config.secrets import read_secret
from tidings.config.settings import CpuAffinity, LogSettings, ReloadSettings, Settings, TraceSettings, load_settings

__all__ = [
    "CpuAffinity",
    "LogSettings",
    "ReloadSettings",
    "Setting",
    "Settings",
    "TraceSettings",
    "load_settings",
    "read_secret",
    "settings_reference",
    "write_reference",
]
