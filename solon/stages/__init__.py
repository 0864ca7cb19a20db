"""The stages of a run, a file for each: what the one before it stored comes in, its own output goes out.

A stage is a function of a `Sitting`. `solon.run` calls them in their order and skips what is done.
"""
