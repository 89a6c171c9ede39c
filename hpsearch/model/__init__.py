"""A trained model as a thing of its own: what its file holds, and what that says of itself."""
