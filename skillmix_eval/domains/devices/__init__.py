"""The domain `devices`: rhetorical and logical figures that code verifies exactly; `rules` is its face."""
