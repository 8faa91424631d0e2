"""The backend ``jax-tuned``: kernel regression whose ridge and architecture are chosen on the training rows."""

TUNING_ROWS = 2000  # on which the choice is made by default, of more training rows
