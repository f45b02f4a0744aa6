"""Language models: whoever is configured is asked, in a child process, within a budget; what it cost is recorded."""

from appliance.providers.models import Access, Capability, Failure, OnText, Provider, Reply, Request
from appliance.providers.service import Providers

__all__ = ["Access", "Capability", "Failure", "OnText", "Provider", "Providers", "Reply", "Request"]
