"""`membox mcp`: the tools and files of the box for agents (contract memory-api, MCP)."""

import os

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import examples


@click.command(
    epilog=examples(
        "claude mcp add membox -- membox mcp",
        "membox mcp --http",
        "MEMBOX_MCP_DOTTED=1 membox mcp",
    )
)
@click.option("--http", is_flag=True, help="Listen for HTTP on this machine, instead of serving whoever started this.")
@click.option(
    "--idle",
    type=click.FloatRange(min=0, min_open=True),
    default=300,
    show_default=True,
    help="Seconds without a call after which a server that systemd's socket started ends.",
)
@pass_caller
def mcp(caller: Caller, http: bool, idle: float) -> None:
    """Offer the box to agents as an MCP server.

    On standard input and output, where an agent starts it; a call then counts as yours, by your login, MEMBOX_API_KEY
    or this machine's home. With --http every client sends a key of its own as bearer (`membox key create`), at
    mcp.host and mcp.port, or at the socket systemd hands over.
    """
    from appliance.config import load_config
    from appliance.home import CONFIG_FILE, user_config
    from appliance.mcp.serving import serve

    if not caller.url:
        caller.require_home()
    # Whoever has logged in to a box need not be able to read a home: then what counts is the environment.
    is_readable = os.access(caller.home / CONFIG_FILE, os.R_OK)
    config = load_config(caller.home if is_readable else user_config())
    serve(config, caller.box, lambda: bool(caller.url) or caller.is_served(), http, idle)
