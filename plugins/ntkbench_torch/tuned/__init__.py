"""The backend ``torch-tuned``: networks whose depth, learning rate and last step are chosen where the task says."""
