"""What runs when: the daemon's life, its schedule, and how it says that it is well.

Kept empty on purpose: the command line imports `daemon.lifecycle` before anything heavy is needed.
"""
