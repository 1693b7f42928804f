"""What a run would do, as pictures and as a page: maps, RoIs on them, and crops.

`scene` says what is to be seen, in arrays; `figure` draws it, and `page` makes it a page that can
be played with. The stream understands the inputs and makes the crops, as it does for a run.
"""
