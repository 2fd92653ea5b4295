"""Names of types that mean no term of the ontology, and the terms that are like them."""
