"""The data of examples/own-data: what they are, and that what is predicted was never trained on."""

from pathlib import Path

import pytest
import yaml

from metaopt.data.raw.pictures import read_pictures
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.tasks.dataset.splits import split_members
from metaopt.tasks.dataset.tasks import DatasetTasks
from service.operations.specs.datasets import read_spec

FOLDER = Path(__file__).parents[2] / "examples" / "own-data"


@pytest.mark.parametrize(("name", "data"), [("mnist.yaml", "mnist"), ("kana.yaml", "kana.zip")])
def test_a_spec_fits_its_data(name: str, data: str, tmp_path: Path) -> None:
    document = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    DataStore(tmp_path).add(read(FOLDER / data)[1], document["tasks"]["dataset"])
    spec = read_spec(document, tmp_path)
    assert spec.tasks.options()["dataset"].startswith("sha256:")


def test_digits_to_predict_are_of_classes_and_pictures_that_nobody_trained_on() -> None:
    packed = read(FOLDER / "mnist")[1]
    assert [group.examples for group in packed.manifest.groups] == [40] * 10
    test = split_members(packed.manifest, "random:0")["test"]
    assert [packed.manifest.groups[place].name for place in test] == ["0", "7"]
    preparation = DatasetTasks.of(packed, n_way=2).preparation
    support, query = (
        read_pictures(FOLDER / f"mnist-{part}.zip", preparation) for part in ("support", "query")
    )
    assert support.labels == ["0", "7"] and query.labels == ["0"] * 12 + ["7"] * 12
    known = {image.tobytes() for image in packed.arrays["x"]}
    asked = {image.tobytes() for image in query.x} | {image.tobytes() for image in support.x}
    assert len(asked) == 26 and not asked & known
