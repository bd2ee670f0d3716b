"""For those who build on a base: choosing one, adopting it, and finding out why a build is not instant.

Everything here reads what is published, and runs where there is no catalog, no Docker, no Linux and no root.
"""
