"""What measures types told in words, the check of texts, and pseudo-cells."""
