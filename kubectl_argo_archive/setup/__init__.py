"""Set-ups as files: ``lint`` says what is wrong with them, ``init`` writes one that is right.

``lint.py`` is the reading half on one screen, ``plan.py`` and ``render.py`` are the writing half.
"""
