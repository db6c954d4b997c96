"""What our tables are: their columns, and how a workflow's JSON becomes their rows.

Belongs here: Arrow schemas with a documented meaning per column, flattening. Does not belong here: where
the JSON came from, where the rows go.
"""
