"""The cluster: its API, what of Argo runs there, and a way to its services.

Belongs here: everything that needs ``kubernetes``. Does not belong here: what the answers mean (``argo/``).
"""
