"""What Argo Workflows means: names, rules and small computations on plain values.

Belongs here: knowledge of Argo that needs nothing but the standard library. Does not belong here: I/O, Arrow.
"""
