"""What a run would do, as pictures and as a page: maps, RoIs on them, and crops.

`scene` makes what is seen, in the arrays of `parts`; `figure` draws it, and `page` makes it a page
that can be played with. The stream understands the inputs and makes the crops, as for a run.
"""
