"""The MCP server: the box's tools and files for agents, in a process of its own.

It speaks to the box through the client, like any program, so that every rule stays the daemon's. Only `server`,
`resources` and `http` import the SDK, which takes a second and 45 MB.
"""
