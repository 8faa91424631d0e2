"""The backend ``jax-tuned``: kernel regression whose ridge and architecture are chosen on the training rows."""
