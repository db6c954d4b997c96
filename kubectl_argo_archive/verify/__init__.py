"""``verify``: gathers the facts of a running set-up and runs the checks on them.

Belongs here: asking every edge, concurrently and within a time limit, and nothing but reading (the canary and the
probe objects excepted, both documented). Does not belong here: what the facts mean (``checks/``).
"""
