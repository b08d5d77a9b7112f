"""From intervals to answers: who wins, by how much, why, and what follows; pure."""
