"""Where archived workflows come from: a database that Argo writes, or files.

Belongs here: reading rows, and undoing what a source does to them. Does not belong here: what the JSON means.
"""
