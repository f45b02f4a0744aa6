"""How fast membox is beside the least that the same rows cost: bare SQLite. `python -m appliance.bench` measures."""
