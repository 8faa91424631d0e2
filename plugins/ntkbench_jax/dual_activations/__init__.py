"""How each activation transforms the law of a pair of pre-activations."""
