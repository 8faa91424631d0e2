"""Facts of the theory, each in one place: activations, losses, optimizers, mini-batches, claims."""
