"""The gateways on one store: this one tells of itself, and knows which others there are.

``Membership`` is a gateway's place among the others. What it may count on is exact whatever the clocks of the machines
say: it stops sending before anybody may take it for gone, and takes others for gone by its own stopwatch.
"""

from tidings.fleet.membership import Fellows, Membership
from tidings.fleet.place import own_place

__all__ = ["Fellows", "Membership", "own_place"]
