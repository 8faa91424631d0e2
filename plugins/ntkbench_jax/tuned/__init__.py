"""The backend ``jax-tuned``: kernel regression with ridge and architecture chosen on the training rows."""

TUNING_ROWS = 2000  # the choice uses this many training rows by default
