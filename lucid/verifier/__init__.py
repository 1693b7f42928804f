"""Crops that prove themselves: rows are made anew from what a file says of its inputs.

This room may use all of the stream; nothing in it is used by anything but the command.
"""
