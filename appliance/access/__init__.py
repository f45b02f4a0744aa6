"""Who may come in: keys for agents and devices, sign-in tickets and web sessions for people."""
