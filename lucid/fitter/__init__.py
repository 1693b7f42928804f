"""Frames that fit: in which coordinates boxes are, and what made crops that somebody else has.

This room may use all of the stream, and the viewer for its pictures.
"""
