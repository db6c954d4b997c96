"""What can be wrong with an archive, and how it shows: checks as data, each with a pure rule. No input, no output.

``verify`` gathers the facts of a running set-up, ``setup lint`` those of files; both run the same rules.
"""
