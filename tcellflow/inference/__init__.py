"""Trained networks at run time: arrays in, arrays out, through ONNX Runtime."""
