"""Search in keras.ops, inside the graph of every backend and format."""
