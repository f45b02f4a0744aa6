"""Harvest: what agents' transcripts hold that deserves remembering (contract notebook, Refresh, last paragraph).

Imports nothing: an errand reads transcripts without the rest.
"""
