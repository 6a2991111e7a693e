"""Third-party file formats that both writers and inspectors read."""
