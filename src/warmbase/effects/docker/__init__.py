"""The container engines of this machine and Buildx, through python-on-whales."""
