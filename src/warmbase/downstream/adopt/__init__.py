"""Adopting a base: what a project's files have to say so that its builds hit.

`plan` is pure: from a project, a base and the texts of the project's files it makes changes, notes on what cannot be
changed safely, and the commands that are left. `apply` writes changes that were shown, all of them or none.
"""
