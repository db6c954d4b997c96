"""Set-ups as files: ``lint`` says what is wrong with them, ``init`` writes one that is right.

``lint.py`` is the reading half on one screen: ``files/`` reads, ``rules/`` judges. ``init/plan.py`` and
``init/render.py`` are the writing half. Both share Argo's own values with discovery (``argo/``).
"""
