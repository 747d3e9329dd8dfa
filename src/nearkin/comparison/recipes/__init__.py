"""The packaged recipes, and the losses that only they use."""
