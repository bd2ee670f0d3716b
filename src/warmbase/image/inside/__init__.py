"""Programs that are files of every image, run by its own Python.

They use the standard library alone, import nothing of warmbase, and keep to the syntax of Python 3.9.
"""
