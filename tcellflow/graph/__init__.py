"""Graphs of cells whose vectors are near: neighbours, groups, and places on a plane."""
