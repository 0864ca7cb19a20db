"""The commands, a file for each (`run` and `constitution` hold a few): arguments in, an exit code out.

Each file has `add`, which gives the parser its command, and the function that the command calls. Nothing
heavy is imported before that function runs, so that `solon --help` is there at once.
"""
