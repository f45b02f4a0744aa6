"""The language models of a box, in the order in which they are tried."""

from collections.abc import Callable

from appliance.clock import Clock
from appliance.errors import NoProviderError
from appliance.providers.models import OnText, Reply, Request
from appliance.secrets import Secrets
from appliance.settings import Settings
from appliance.storage import Database


class Providers:
    """Thread safe; the settings are read at every use.

    Args:
        settings: gives the settings as they are now.
    """

    def __init__(self, settings: Callable[[], Settings], secrets: Secrets, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._secrets = secrets
        self._database = database
        self._clock = clock

    def complete(self, request: Request, on_text: OnText | None = None, record: bool = True) -> Reply:
        """The answer of the first provider that has one.

        Args:
            on_text: is handed the text piece by piece as it comes, in this thread.
            record: whether the usage is kept; it counts for the budget only then.

        Raises:
            NoProviderError: none is set up, can be used, or is within the day's budget.
            ProviderError: each one that was asked failed.
        """
        raise NoProviderError("no_provider", "No language model is set up.")
