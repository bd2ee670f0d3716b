#!/usr/bin/env -S uv run --script
"""A report."""
# /// script
# requires-python = ">=3.12"
# dependencies = [
#   "click>=8",
#   "pyyaml",  # settings
#   "idna[all]<4",
# ]
#
# [tool.uv]
# constraint-dependencies = ["click<9"]
# ///

TITLE = "Report"
