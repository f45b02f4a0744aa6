"""A server by its settings: on stdio, or over HTTP. Loads the SDK, so the command line imports this when asked to."""

import gc
import os
from collections.abc import Callable, Mapping

from appliance.client.box_client import BoxClient
from appliance.config import Config
from appliance.errors import NotConfiguredError
from appliance.mcp.callers import Callers

_YES = frozenset({"1", "true", "yes", "on"})


def serve(
    config: Config,
    connect: Callable[[str], BoxClient],
    is_served: Callable[[], bool],
    over_http: bool,
    idle_seconds: float,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Serve until the client, or whoever runs the server, ends it.

    Raises:
        NotConfiguredError: the SDK is not installed, auth is off over HTTP, or the address cannot be had.
    """
    dotted = environ.get("MEMBOX_MCP_DOTTED", "").lower() in _YES
    is_open = config.mcp.auth_mode == "disabled"
    if is_open and over_http:
        raise NotConfiguredError(
            "bad_config",
            "mcp.auth_mode = disabled counts on stdio only: over HTTP anybody could call; set it to token.",
        )
    # The existing system's clients show a token in each call; an agent's own server is started by whom it speaks for.
    must_show = not is_open and (over_http or dotted or bool(config.mcp_tokens))
    callers = Callers(connect, is_served, config.mcp_tokens, must_show, is_open)
    gc.disable()  # the SDK makes a hundred thousand objects that stay: looking them over for garbage is a quarter of it
    try:
        import anyio

        from appliance.mcp.server import make_server, serve_stdio
    except ImportError as error:
        raise NotConfiguredError(
            "no_mcp", f"The MCP server needs a library that is not installed ({error.name}): install membox[mcp]."
        ) from error
    gc.freeze()
    gc.enable()
    server = make_server(callers, dotted, follows=not over_http)
    if not over_http:
        anyio.run(serve_stdio, server)
        return
    from appliance.mcp.http import serve_http

    anyio.run(serve_http, server, callers, config, dotted, idle_seconds)
