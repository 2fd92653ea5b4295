"""Cells: barcodes, quality control, the T-cell gate and doublet suspicion."""
