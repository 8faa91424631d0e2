"""The backend ``torch-tuned``: networks with depth, learning rate and last step chosen on tuning problems."""
