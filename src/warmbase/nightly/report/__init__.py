"""What a night came to, for whoever was asleep: Markdown for a step summary, JSON for machines, a page for people.

All three are made of a `Night` alone and say the same in the same order: what failed, what was refreshed and why, what
is held back, what waits; then numbers. Nothing that is fresh is listed, only counted.
"""
