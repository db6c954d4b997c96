"""Archived pod logs: which there are, what became of them, their lines, and finding anything in these.

Belongs here: claims (which node names which object), fetching, masking, indexing, searching, printing. Does not
belong here: how a store is reached (``storage/``), what lies in the lake's files (``lake/``, ``tables/``).
"""
