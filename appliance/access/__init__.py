"""Who may come in: keys for agents and devices, sign-in tickets and web sessions for people."""

from appliance.access.service import Access

__all__ = ["Access"]
