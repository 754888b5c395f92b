"""What `build_bundled_model.py` is made of: weights, backbones, graphs, checks and cards."""
