"""Search over one step contract: in keras.ops for graphs, in NumPy for the host."""
