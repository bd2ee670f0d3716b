"""Programs that run inside an image, under its own interpreter, handed over as source files.

They use the standard library alone, import nothing of warmbase, and keep to the syntax of Python 3.9.
"""
