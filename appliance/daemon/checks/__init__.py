"""One module a check: what it looks at is its name. Being in this directory is all it takes (daemon/health.py).

A check of the box is a function `check(box, deep)`, one of the machine `check_machine(machine, deep)`; a module may
have both. What does not apply here it passes over without a word.
"""
