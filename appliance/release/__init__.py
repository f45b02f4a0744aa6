"""Releases side by side, and the switch from one to another that loses nothing (contract box).

What is root's (the links, the service) is done here; what lies in the home, which is its owner's, is done by a child
process as that owner (`inside`), so that root never follows a path that somebody else may bend.
"""

from appliance.release.inside import Inside
from appliance.release.releases import Releases
from appliance.release.switch import Switcher
from appliance.release.unit import Unit

__all__ = ["Inside", "Releases", "Switcher", "Unit"]
