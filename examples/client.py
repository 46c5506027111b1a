"""Tune, judge and use a meta-learner from Python; needs a server (`metaopt serve`).

METAOPT_URL=http://127.0.0.1:8000 python examples/client.py
"""

from pathlib import Path

import yaml

from service.client.client import Client
from service.client.winner import load_winner

SPEC = yaml.safe_load((Path(__file__).parent / "sinusoid.yaml").read_text())
SMALL = {
    **SPEC,
    "name": "sinusoid from Python",
    "pruning": {"kind": "none"},
    "budget": {"trials": 4, "meta_iterations": 300},
    "verdict": {"finalists": 1, "seeds": 2, "tasks": 100},
}

with Client.from_environment() as client:  # METAOPT_URL, METAOPT_API_KEY or METAOPT_API_KEY_FILE
    study = client.submit(SMALL, idempotency_key="examples/client.py 1")
    for event in client.events(study.study_id):  # goes on over a lost connection, ends with it
        if event.kind == "trial_finished":
            print(f"trial {event.data['trial_number']} {event.data['status']}")

    study = client.wait(study.study_id)
    best = client.result(study.study_id).finalists[0]
    assert best.sealed is not None
    print(f"best: {best.branch} {best.params['inner_lr']:.4f}, sealed MSE {best.sealed.score:.3f}")
    folder = client.download(study.study_id, Path("winner"))

winner = load_winner(folder)  # or load_winner(study_id): the server is asked for it
adapted = winner.adapt([[-2.0], [0.0], [1.0], [3.0]], [0.9, 0.0, -0.8, -0.1])
print("f(0.5) =", round(float(adapted.predict([[0.5]])), 3))
