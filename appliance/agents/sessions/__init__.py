"""The session protocol: what an agent is told at its start, what is written down before it answers, what stays at its
end (contract notebook, Session protocol for agents).
"""
