"""The command line: one module a noun; each command parses, asks the box's JSON API, prints."""
