"""Reading what a project needs, from whatever its tool writes."""
