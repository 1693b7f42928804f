"""Files in: a container's arrays, the map of an image, tables of boxes."""
