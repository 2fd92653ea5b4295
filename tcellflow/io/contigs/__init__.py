"""Receptor contigs: one module per file layout, each giving the same rows."""
