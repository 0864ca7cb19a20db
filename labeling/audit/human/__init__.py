"""Labels that people gave, read from the files in which they were published: `load.py` is the way in."""
