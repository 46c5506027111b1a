"""The library by itself: its names at the top, and every wrong call in words."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import metaopt
from metaopt import (
    TASKS,
    BankSpec,
    MetaoptError,
    Trained,
    Winner,
    bank_tasks,
    evaluate,
    find_preset,
    read_winner,
    train,
)
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from service.wire.spec.refusals import parse_spec
from tests.fakes.specs import LEAST
from tests.properties import examples

SINUSOID = {"kind": "sinusoid"}
SMALL = {"kind": "mlp", "widths": [2]}
BANK = BankSpec("test", seed=0, tasks=2, k_shot=1, q_query=1, steps=1)


def test_the_public_names_are_there_are_listed_and_load_nothing_before() -> None:
    assert set(metaopt.__all__) <= set(dir(metaopt))
    assert all(getattr(metaopt, name) is not None for name in metaopt.__all__)
    tree = ast.parse(Path(metaopt.__file__).read_text("utf-8"))
    typed = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in typed if node.module != "typing" for alias in node.names}
    assert names - {"import_module"} == set(metaopt.__all__)  # what type checkers see
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        metaopt.trian  # noqa: B018
    program = "import sys, metaopt; metaopt.TASKS.names(); metaopt.BankSpec; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(ran.stdout.split())
    assert "metaopt.tasks.kinds.sinusoid" in loaded, ran.stderr
    assert not {"torch", "pydantic", "optuna"} & loaded


def test_what_is_not_given_has_the_default_of_the_spec() -> None:
    trained = train("maml", tasks=SINUSOID, meta_iterations=1)
    spec = parse_spec(LEAST)
    written_out = train(
        "maml", tasks=spec.tasks.chosen(), model=spec.model.chosen(), meta_iterations=1
    )
    assert torch.equal(trained.phi, written_out.phi)
    images = train(
        "maml", tasks={"kind": "omniglot", "n_way": 2}, params={"meta_batch": 1}, meta_iterations=1
    )
    assert type(images.learner.model).__name__ == "Conv4"
    for kind in TASKS.kinds():
        if kind.name == "dataset":  # which has no default
            continue
        assert parse_spec({**LEAST, "tasks": {"kind": kind.name}, "model": {"kind": "linear"}})
        assert kind.complete({})["kind"] == kind.name


def test_numbers_of_numpy_and_torch_are_as_good_as_python_s() -> None:
    def trained(whole: Any, real: Any) -> Trained:
        return train(
            "maml",
            tasks={"kind": "sinusoid", "k_shot": whole(3)},
            model={"kind": "mlp", "widths": [whole(4)]},
            params={"inner_lr": real(0.25), "inner_steps": whole(2), "meta_batch": whole(2)},
            meta_iterations=whole(2),
            seed=whole(5),
        )

    plain = trained(int, float).phi
    assert torch.equal(trained(np.int64, np.float32).phi, plain)
    assert torch.equal(trained(torch.tensor, torch.tensor).phi, plain)


ALGORITHM_NAMES, TASK_NAMES = ", ".join(ALGORITHMS.names()), ", ".join(TASKS.names())


def call(algorithm: Any = "maml", **given: Any) -> Any:
    few = {"tasks": SINUSOID, "model": SMALL, "params": {"meta_batch": 1}, "meta_iterations": 1}
    return train(algorithm, **{**few, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"algorithm": "mlam"},
            f"algorithm must be one of {ALGORITHM_NAMES}, got 'mlam', did you mean",
        ),
        ({"algorithm": None}, f"algorithm must be one of {ALGORITHM_NAMES}, got None"),
        ({"tasks": "sinusoid"}, 'got \'sinusoid\': give {"kind": "sinusoid"}'),
        ({"tasks": None}, f"tasks must be a dict with a kind ({TASK_NAMES})"),
        ({"tasks": {"kind": "sinusiod"}}, "got 'sinusiod', did you mean sinusoid?"),
        ({"tasks": {}}, f"tasks.kind must be one of {TASK_NAMES}, got None"),
        ({"tasks": {**SINUSOID, "k_shot": "5"}}, "tasks.k_shot must be a whole number, got '5'"),
        ({"tasks": {"kind": "omniglot", "split": "x"}}, "tasks.split must be vinyals, or random"),
        ({"model": "mlp"}, 'got \'mlp\': give {"kind": "mlp"}'),
        ({"model": 3}, "model must be a dict with a kind (conv4, linear, mlp, module, resnet12)"),
        ({"model": torch.nn.Linear(2, 1)}, "cannot compute inputs of shape (2, 1) in the forward"),
        ({"model": lambda: None}, "or a function (input_shape, outputs) that returns one"),
        ({"model": lambda shape, outputs: None}, "None lacks input_shape"),
        ({"params": []}, "params must be a dict of meta-parameters, or a list of one or more"),
        ({"params": [3]}, "parameters of maml must be a dict by name, got 3"),
        ({"params": {"order": "frist"}}, "order must be one of second, first, got 'frist', did yo"),
        ({"params": {"inner_lr": 10**400}}, "inner_lr must be in [1e-12, 1000], got 1000"),
        ({"meta_iterations": 0}, "meta_iterations must be in [1, 10000000], got 0"),
        ({"meta_iterations": 1.5}, "meta_iterations must be a whole number, got 1.5"),
        ({"seed": -1}, "seed must be in [0, 9007199254740991], got -1"),
        ({"device": "gpu"}, "device must be cpu, cuda or cuda:N, got 'gpu'"),
        ({"device": "cuda:99"}, "device cuda:99 is not here: torch has"),
        ({"dtype": "float16"}, "dtype must be float32 or float64, got 'float16'"),
        ({"first_order_until": -1}, "first_order_until must be >= 0, got -1"),
        ({"k_shot": 0}, "tasks.k_shot must be in [1, 10000], got 0"),
    ],
)
def test_a_wrong_call_says_the_value_the_rule_and_the_way_out(given: Any, words: str) -> None:
    with pytest.raises(MetaoptError) as refused:
        call(**given)
    assert words in str(refused.value)


def test_wrong_banks_files_and_names_are_refused(tmp_path: Path) -> None:
    trained = call()
    (tmp_path / "other").write_bytes(b"no model")
    for wrong, words in (
        (lambda: BankSpec("tset", 0, 1, 1, 1, 1), "got 'tset', did you mean test?"),
        (lambda: BankSpec("test", 0, 0, 1, 1, 1), "tasks of a bank must be in [1, 10000000]"),
        (lambda: evaluate(trained, {"split": "test"}), "bank must be a BankSpec"),
        (lambda: evaluate(3, BANK), "trained must be what train returned, got 3"),
        (lambda: evaluate(trained, BANK, lane_chunk=0), "lane_chunk must be >= 1, got 0"),
        (lambda: bank_tasks(SINUSOID, BANK, [2]), "a task is 0 to 1, got 2"),
        (lambda: find_preset("paper:maml-sinus"), "did you mean paper:maml-sinusoid?"),
        (lambda: read_winner(tmp_path / "nowhere"), "cannot be read: No such file"),
        (lambda: read_winner(str(tmp_path)), "cannot be read: Is a directory"),
        (lambda: read_winner(tmp_path / "other"), "this is no model file of metaopt"),
    ):
        with pytest.raises(MetaoptError) as refused:
            wrong()
        assert words in str(refused.value)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.just(10**400),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.sampled_from([object(), object, len, [], {}, (), [{}], [[1.0], [2.0, 3.0]], {3: 4}, {"x"}]),
    st.sampled_from([{"kind": "mlp"}, {"kind": ["mlp"]}, {"kind": "sinusoid", "x": [1]}, [1, "a"]]),
    st.sampled_from([np.zeros(0), np.array(["a"]), torch.zeros(2, 3), torch.tensor(1j)]),
)
ARGUMENTS = ["algorithm", "tasks", "model", "params", "seed", "device", "dtype", "k_shot"]
ARGUMENTS += ["first_order_until", "q_query"]
FIELDS = ["split", "seed", "tasks", "k_shot", "q_query", "steps", "transductive"]


def refused_or_done(function: Any, *given: Any, **named: Any) -> Any:
    try:
        return function(*given, **named)
    except MetaoptError as error:
        assert str(error).strip() and len(str(error)) < 600
        return None


@given(name=st.sampled_from(ARGUMENTS), junk=JUNK)
@settings(max_examples=examples(150), deadline=None)
def test_no_junk_comes_to_an_error_of_the_inside_of_train(name: str, junk: Any) -> None:
    refused_or_done(call, **{name: junk})


@given(length=JUNK, field=st.sampled_from(FIELDS), junk=JUNK)
@settings(max_examples=examples(100), deadline=None)
def test_nor_does_junk_elsewhere(length: Any, field: str, junk: Any) -> None:
    refused_or_done(call, meta_iterations=length)
    bank = {"split": "test", "seed": 0, "tasks": 1, "k_shot": 1, "q_query": 1, "steps": 0}
    refused_or_done(BankSpec, **{**bank, field: junk})
    refused_or_done(evaluate, junk, BANK)
    refused_or_done(bank_tasks, SINUSOID, BANK, junk)
    refused_or_done(bank_tasks, junk, BANK, [0])
    refused_or_done(find_preset, junk)
    refused_or_done(read_winner, junk)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("winners")
    for name, tasks in (("numbers", SINUSOID), ("classes", {"kind": "omniglot", "n_way": 3})):
        values = {"meta_batch": 1, "inner_steps": 1}
        tasks = TASKS.get(tasks["kind"]).complete(tasks)
        population = Population(
            signature_of(tasks=tasks, model=SMALL, algorithm="maml", params=values)
        )
        population.admit("a", values, seed=1, horizon=1)
        population.write_model("a", folder / name, transductive=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_nor_does_junk_given_to_a_winner(files: dict[str, bytes], kind: str) -> None:
    winner = read_winner(files[kind])
    x, y = ([[0.5]], [1.0]) if kind == "numbers" else ([[0.0] * 784], [1])
    adapted = winner.adapt(x, y)

    @given(junk=JUNK | st.lists(JUNK, max_size=2))
    @settings(max_examples=examples(80), deadline=None)
    def given_junk(junk: Any) -> None:
        refused_or_done(winner.adapt, junk, y)
        refused_or_done(winner.adapt, x, junk)
        refused_or_done(winner.adapt, x, y, steps=junk)
        refused_or_done(adapted.predict, junk)

    given_junk()


@given(data=st.data())
@settings(max_examples=examples(60), deadline=None)
def test_a_file_that_was_damaged_is_refused_or_whole(data: Any, files: dict[str, bytes]) -> None:
    content = bytearray(files["numbers"])
    at = data.draw(st.integers(0, len(content) - 1))
    cut = data.draw(st.sampled_from([content[:at], content[at:], content + b"x"]))
    assert refused_or_done(read_winner, bytes(cut)) is None or at == 0
    content[at] ^= data.draw(st.integers(1, 255))
    winner = refused_or_done(read_winner, bytes(content))
    assert winner is None or isinstance(winner, Winner)
