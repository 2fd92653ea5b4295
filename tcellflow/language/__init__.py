"""Language about cells: types, claims, text that is made of claims, and the reading of text."""
