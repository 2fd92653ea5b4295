"""How people word what they say of cells: amounts, markers, negation."""
