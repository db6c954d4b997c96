"""A signed digest over what was added to the lake."""
