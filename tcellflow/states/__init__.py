"""T-cell states as biology knows them: the axes that make a state, and what labels say of them."""
