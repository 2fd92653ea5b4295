"""Files of any content: what they are, text and HDF5, and counts in blocks of cells."""
