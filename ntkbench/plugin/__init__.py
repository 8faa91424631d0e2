"""The SDK: all that a plugin may import."""
