"""Expression and antibody matrices of any layout, read in blocks of cells."""
