"""Files: one module per format, checked on reading, atomic and byte-stable on writing."""
