"""What judges a bundle: parity, quality after quantisation, latency, and the report of them."""
