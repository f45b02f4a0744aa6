"""How a program reaches a box: the transports, and the requests as methods."""
