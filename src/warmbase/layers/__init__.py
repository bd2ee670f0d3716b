"""Wheel layers: recipes, packing, pools, and the layer store that remembers which blob each recipe became."""
