"""Judgement: pure statistics of estimates, finalists, verdict and gates."""
