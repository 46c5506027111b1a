"""Data as their owner has them, for a model that is trained already: how they become its inputs."""
