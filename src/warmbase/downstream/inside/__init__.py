"""A program that looks at a container from within: run there by its own Python, or by warmbase itself.

It uses the standard library alone, imports nothing of warmbase, and keeps to the syntax of Python 3.9.
"""
