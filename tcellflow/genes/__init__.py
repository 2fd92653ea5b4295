"""Genes: names harmonised to HGNC symbols, and matrices aligned to a model's panel."""
