"""The catalog page: a static site of what is published, for people who choose a base.

`render_site` (pages) makes its files from a listing, `write_site` (writing) puts them into a folder. Nothing of it asks
a server for anything but its own files: no `fetch`, no modules, which browsers refuse to pages that were opened from a
disk; the script of the first page has what it searches in a script of its own. Every page is whole without scripts:
they search, filter, sort, copy and draw what is in its tables.
"""
