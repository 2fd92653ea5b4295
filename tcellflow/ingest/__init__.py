"""What preprocess computes: a sample's inputs opened together, screened and brought into shape."""
