"""Samplers: where a branch looks next; one sampler a file."""
