"""The proof that nothing is lost: a node is harmed while clients talk, then their histories are judged."""
