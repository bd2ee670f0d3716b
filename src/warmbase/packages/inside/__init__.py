"""Programs that run inside a foundation, under its own interpreter.

They are handed over as source files, so they use the standard library alone, import nothing of warmbase,
and keep to the syntax of Python 3.9.
"""
