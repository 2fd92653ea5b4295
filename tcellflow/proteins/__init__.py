"""Surface proteins: antibody names, isotype controls and normalisation."""
