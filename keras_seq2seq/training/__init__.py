"""What `fit` needs: corpus, batches, losses, metrics, callbacks, recipe."""
