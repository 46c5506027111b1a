"""Model files as answers: what winners and baselines have in common."""

from typing import Any

from fastapi import Response

from service.db.weights import KeptWeights

MEDIA_TYPE = "application/octet-stream"
MODEL_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A model file (safetensors)",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


def model_file(weights: KeptWeights) -> Response:
    """Return the answer that sends a model file."""
    headers = {
        "ETag": f'"{weights.sha256}"',
        "Content-Disposition": 'attachment; filename="winner.safetensors"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(weights.content, media_type=MEDIA_TYPE, headers=headers)
