"""Facts of the field, in one place each: activations, losses, optimizers, mini-batches, claims."""
