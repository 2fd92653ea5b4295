"""Files of any content: kinds, compression, text and HDF5, and counts in blocks of cells."""
