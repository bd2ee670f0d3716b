"""What is published beside an image: its bill of materials and how it was made, as in-toto attestations."""
