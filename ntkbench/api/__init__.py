"""The main job in Python."""
