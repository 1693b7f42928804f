"""What is done in which order within the memory; knows no output file."""
