"""The bench: what the project promises about time, memory and bytes, measured in one run (`python -m tests.bench`).

It is no test suite: times depend on the machine and on who else uses it, so it measures, compares with a rival that
runs in the same minute where there is one, and says what was missed. Everything is real: the command line, uv, the
foundation, the packages. The reference work **W** is pandas, numpy, pyarrow, scikit-learn, matplotlib, requests,
pytest and what they need, 28 wheels on CPython 3.13, as locked in `catalog/`; its wheels come from an index server on
loopback that serves a wheelhouse, which is filled once into warmbase's cache folder.

The rivals that people know are Dockerfiles, those of `dockerfiles/`: uv's guide's and pip's. A Docker Engine builds
them on an image made of the very foundation that W has; where there is none, those rows are not measured, and say so.
"""
