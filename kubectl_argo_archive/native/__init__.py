"""What is done byte by byte, in C: see ``docs/native.md``.

The library knows nothing of Python: it takes addresses and lengths and gives numbers. It is called through ctypes,
which gives the interpreter's lock back for the time of the call. Each function in here has a definition in plain
Python elsewhere in the package that tests hold it against.
"""
