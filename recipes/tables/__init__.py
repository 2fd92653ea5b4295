"""The packaged tables of genes, antibodies and receptor segments."""
