"""The gateway as a whole: wiring, lifecycle, and the process around it."""

from tidings.app.compose import Gateway, open_gateway
from tidings.app.core import load_rulebook
from tidings.app.role import Role
from tidings.app.serve import serve

__all__ = ["Gateway", "Role", "load_rulebook", "open_gateway", "serve"]
