"""Trained networks at run time through ONNX Runtime, and the tables their answers become."""
