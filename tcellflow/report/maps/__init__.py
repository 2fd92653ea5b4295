"""The map of the cells: from vectors to places on a plane, and from places to a drawing."""
