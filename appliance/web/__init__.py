"""The web doors: pages and the JSON API of one box."""
