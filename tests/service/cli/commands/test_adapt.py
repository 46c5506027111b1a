"""`metaopt adapt` on examples as people have them: pictures, tables, arrays."""

import base64
import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metaopt.data.manifest import Group, Manifest
from metaopt.data.ngrams import vectors
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.winner import read_winner
from tests.fakes.pictures import colour, encoded, write_files, write_zip
from tests.fakes.winners import omniglot_winner, winner_of, zoo
from tests.service.cli.conftest import Command

THREE = "cat dog emu"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A winner that tells three animals apart, 4 x 3 pixels, dark made light."""
    folder = tmp_path_factory.mktemp("winner")
    return winner_of(folder / "w.safetensors", zoo(folder / "zoo"), Packing(invert=True), n_way=3)


@pytest.fixture
def support(tmp_path: Path) -> Path:
    return zoo(tmp_path / "support", each=1, splits=False, classes=THREE)


def pixels(page: str) -> list[np.ndarray]:
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in sources]


def test_a_folder_a_class_is_learned_from_and_the_page_shows_what_is_right(
    metaopt: Command, model: Path, support: Path, tmp_path: Path
) -> None:
    query = zoo(tmp_path / "query", each=3, splits=False, classes=THREE)
    page = tmp_path / "page.html"
    said = metaopt(
        "adapt", str(model), "--support", str(support), "--query", str(query),
        "--html", str(page), "--json", str(tmp_path / "p.json"),
    )  # fmt: skip
    assert said.code == 0, said.err
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["classes"] == ["cat", "dog", "emu"]
    names = [one["name"] for one in document["query"]]
    assert names == [f"{name}/{i}.png" for name in THREE.split() for i in range(3)]
    rows = [line.split(",") for line in said.out.splitlines()]
    assert [row[:2] for row in rows] == [[q["name"], q["predicted"]] for q in document["query"]]
    right = sum(q["predicted"] == q["class"] for q in document["query"])
    assert f"right: {right} of 9 query examples" in said.err
    assert document["accuracy"] == pytest.approx(right / 9)

    winner = read_winner(model)
    raw = [255 - np.asarray(Image.open(query / name)) for name in names]
    learned = [255 - np.asarray(Image.open(support / f"{c}/0.png")) for c in THREE.split()]
    wanted = winner.adapt(np.stack(learned), [0, 1, 2]).predict(np.stack(raw)).tolist()
    assert document["predictions"] == [[label] for label in wanted]

    text = page.read_text()
    assert f"{right} of 9 right" in text and text.count("✓") == right
    assert text.count("✗") == 9 - right and text.count('class="wrong') == 9 - right
    shown = pixels(text)
    assert len(shown) == 12, "three to learn from, nine predicted"
    assert np.array_equal(shown[0], np.asarray(Image.open(support / "cat/0.png"))), "as she has it"
    assert 'alt="support example of cat (cat/0.png)"' in text and "http" not in text


def test_a_zip_is_as_good_and_pictures_without_classes_are_predicted(
    metaopt: Command, model: Path, support: Path, tmp_path: Path
) -> None:
    files = {str(p.relative_to(support)): p.read_bytes() for p in support.rglob("*.png")}
    archive = write_zip(tmp_path / "s.zip", {f"animals/{name}": c for name, c in files.items()})
    flat = write_files(tmp_path / "flat", {f"{i}.png": c for i, c in enumerate(files.values())})
    packed = write_zip(
        tmp_path / "flat.zip", {f"all/{i}.png": c for i, c in enumerate(files.values())}
    )
    told = [
        metaopt("adapt", str(model), "--support", str(one), "--query", str(other))
        for one, other in ((support, flat), (archive, flat), (archive, packed))
    ]
    assert {said.code for said in told} == {0}, told
    assert told[0].out == told[1].out == told[2].out
    assert [line.split(",")[0] for line in told[0].out.splitlines()] == ["0.png", "1.png", "2.png"]
    assert "right" not in told[0].err
    one = metaopt(
        "adapt", str(model), "--support", str(support), "--query", str(flat / "1.png"),
        "--html", "-",
    )  # fmt: skip
    assert one.out.lower().startswith("<!doctype html>") and "nobody can say here" in one.out
    larger = write_files(tmp_path / "large", {"big.png": encoded(colour(3, 40, 30))})
    said = metaopt("adapt", str(model), "--support", str(support), "--query", str(larger))
    assert said.code == 0 and said.out.startswith("big.png,")


def test_idx_files_with_and_without_labels(metaopt: Command, model: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(1).integers(0, 256, (6, 4, 3), np.uint8)
    images = tmp_path / "six-images-idx3-ubyte.gz"
    head = np.array([6, 4, 3], ">u4").tobytes()
    images.write_bytes(gzip.compress(bytes([0, 0, 8, 3]) + head + x.tobytes()))
    asked = tmp_path / "asked-images-idx3-ubyte"
    asked.write_bytes(gzip.decompress(images.read_bytes()))
    labels = bytes([0, 0, 8, 1]) + np.array([6], ">u4").tobytes() + bytes([7, 3, 9, 3, 7, 9])
    (tmp_path / "six-labels-idx1-ubyte").write_bytes(labels)
    said = metaopt(
        "adapt", str(model), "--support", str(images), "--query", str(asked), "--json", "-"
    )
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert document["classes"] == ["3", "7", "9"] and document["accuracy"] is None
    assert document["query"][5]["name"] == "image 5"


def test_omniglot_takes_pictures_of_black_on_white(metaopt: Command, tmp_path: Path) -> None:
    model = omniglot_winner(tmp_path / "o.safetensors")
    ink = np.full((28, 28), 255, np.uint8)
    files = {}
    for place, name in enumerate("abc"):
        one = ink.copy()
        one[4 + 7 * place : 8 + 7 * place] = 0
        files[f"{name}/1.png"] = encoded(one)
    support = write_files(tmp_path / "s", files)
    said = metaopt(
        "adapt", str(model), "--support", str(support), "--html", str(tmp_path / "p.html"),
        "--json", "-",
    )  # fmt: skip
    assert said.code == 0, said.err
    x = np.stack([1 - np.asarray(Image.open(support / f"{c}/1.png")) / 255 for c in "abc"])
    wanted = read_winner(model).adapt(x[:, None], [0, 1, 2]).predict(x[:, None]).tolist()
    assert json.loads(said.out)["predictions"] == [[label] for label in wanted]
    shown = pixels((tmp_path / "p.html").read_text())
    assert np.array_equal(shown[0], np.asarray(Image.open(support / "a/1.png")))


def test_what_does_not_fit_is_said_with_the_way_out(
    metaopt: Command, model: Path, support: Path, tmp_path: Path
) -> None:
    def refused(*arguments: str) -> str:
        said = metaopt("adapt", str(model), "--html", str(tmp_path / "never.html"), *arguments)
        assert said.code == 2 and said.out == "" and not (tmp_path / "never.html").exists()
        return said.err

    two = zoo(tmp_path / "two", each=1, splits=False, classes="cat dog")
    told = refused("--support", str(two))
    assert "tells 3 classes apart, the support set has 2 ('cat', 'dog')" in told
    assert "a folder of pictures for each class" in told
    write_files(two, {"emu/1.png": encoded(colour(1)), "emu/2.png": encoded(colour(2))})
    assert "'cat' has 1 and 'emu' has 2: take 1 of each" in refused("--support", str(two))
    other = zoo(tmp_path / "other", each=1, splits=False, classes="cat dogg")
    told = refused("--support", str(support), "--query", str(other))
    assert "class 'dogg', did you mean dog?; the support set has 'cat', 'dog', 'emu'" in told
    assert "must say the class of each example" in refused("--support", str(support / "cat"))
    (support / "cat" / "0.png").write_bytes(b"no image")
    assert "'cat/0.png' is no readable image" in refused("--support", str(support))
    assert "there is nothing at" in refused("--support", str(tmp_path / "nowhere"))
    np.savez(tmp_path / "s.npz", x=np.zeros((3, 5, 5)), y=[0, 1, 2])
    assert "must have shape (3, 1, 4, 3), got (3, 5, 5)" in refused(
        "--support", str(tmp_path / "s.npz")
    )
    np.savez(tmp_path / "s.npz", z=np.zeros(3))
    assert "must have an array x, got z" in refused("--support", str(tmp_path / "s.npz"))
    idx = tmp_path / "x-images-idx3-ubyte"
    idx.write_bytes(bytes([0, 0, 8, 3]) + np.array([1, 2, 2], ">u4").tobytes() + bytes(4))
    assert "images of 2 x 2 pixels, the model takes 4 x 3" in refused("--support", str(idx))


def test_a_table_is_read_by_the_names_of_its_columns(metaopt: Command, tmp_path: Path) -> None:
    rows = ["machine;speed;kind;wear"]
    for machine in range(6):
        for i in range(4):
            kind, wear = ("dry", "wet")[i % 2], f"{10 * machine + i},5"
            rows.append(f"m{machine};{i + machine},25;{kind};{wear}")
    (tmp_path / "all.csv").write_text("\n".join(rows))
    packing = Packing(task="machine", target=("wear",))
    model = winner_of(tmp_path / "w.safetensors", tmp_path / "all.csv", packing)
    (tmp_path / "s.csv").write_text("kind;wear;speed\ndry;1,5;2,25\nwet;2,5;3,25\n")
    (tmp_path / "q.csv").write_text("speed,note,kind\n4.25,7,dry\n")
    said = metaopt(
        "adapt", str(model), "--support", str(tmp_path / "s.csv"),
        "--query", str(tmp_path / "q.csv"), "--html", str(tmp_path / "p.html"),
    )  # fmt: skip
    assert said.code == 0, said.err
    winner = read_winner(model)
    assert winner.card.data is not None
    assert winner.card.data.features == ("speed", "kind=dry", "kind=wet")
    adapted = winner.adapt([[2.25, 1, 0], [3.25, 0, 1]], [1.5, 2.5])
    assert float(said.out) == pytest.approx(float(adapted.predict([[4.25, 1, 0]])), rel=1e-4)
    page = (tmp_path / "p.html").read_text()
    assert "no targets" in page and "<th>kind=dry</th>" in page

    (tmp_path / "q.csv").write_text("speed,kind,wear\n4.25,dry,40\n9.5,wet,50\n")
    told = metaopt(
        "adapt", str(model), "--support", str(tmp_path / "s.csv"),
        "--query", str(tmp_path / "q.csv"), "--html", str(tmp_path / "p.html"), "--json", "-",
    )  # fmt: skip
    document = json.loads(told.out)
    off = [p[0] - y for p, y in zip(document["predictions"], (40, 50), strict=True)]
    assert document["mse"] == pytest.approx(float(np.square(off).mean()))
    page = (tmp_path / "p.html").read_text()
    assert "mean squared error; before adaptation" in page and page.count("<circle") == 4

    for text, why in (
        ("speed,wear\n1,2\n", "there is no column 'kind=dry'; the model takes 'speed'"),
        ("speed,kind,wear\n1,damp,2\n", "has 'damp', which was not in the data"),
        ("speed,kind,wear\nfast,dry,2\n", "column 'speed' must have numbers, has 'fast'"),
        ("speed,kind\n1,dry\n", "must have inputs and then 1 target(s)"),
        ("speed,kind,wear\n", "has no rows below"),
    ):
        (tmp_path / "s.csv").write_text(text)
        bad = metaopt("adapt", str(model), "--support", str(tmp_path / "s.csv"))
        assert bad.code == 2 and why in bad.err, bad.err


def test_classes_of_a_table_have_their_names_and_a_header_is_not_needed(
    metaopt: Command, tmp_path: Path
) -> None:
    words = [f"{letter}{k}" for letter in "abcdef" for k in range(2)]
    rows = [f"{word},{i},{place + i % 3}" for place, word in enumerate(words) for i in range(3)]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    packing = Packing(class_column="column1")
    model = winner_of(tmp_path / "w.safetensors", tmp_path / "all.csv", packing, n_way=2)
    (tmp_path / "s.csv").write_text("new,1,2\nold,0,9\n")
    (tmp_path / "q.csv").write_text("1,2\n")
    said = metaopt(
        "adapt", str(model), "--support", str(tmp_path / "s.csv"), "--query",
        str(tmp_path / "q.csv"), "--html", str(tmp_path / "p.html"),
    )  # fmt: skip
    assert said.code == 0, said.err
    wanted = read_winner(model).adapt([[1, 2], [0, 9]], [0, 1]).predict([[1, 2]])
    assert said.out == f"{('new', 'old')[int(wanted)]}\n"
    assert "<h3>new</h3>" in (tmp_path / "p.html").read_text()
    (tmp_path / "q.csv").write_text("1\n")
    bad = metaopt(
        "adapt", str(model), "--support", str(tmp_path / "s.csv"), "--query",
        str(tmp_path / "q.csv"),
    )  # fmt: skip
    assert bad.code == 2 and "a row must have 2 inputs" in bad.err


def test_classes_that_every_task_tells_apart_stay_in_their_order(
    metaopt: Command, tmp_path: Path
) -> None:
    rows = [f"p{i},{'ill' if j % 2 else 'well'},{i + j}" for i in range(6) for j in range(8)]
    (tmp_path / "all.csv").write_text("\n".join(["patient,state,dose", *rows]))
    packing = Packing(task="patient", class_column="state")
    model = winner_of(tmp_path / "w.safetensors", tmp_path / "all.csv", packing)
    (tmp_path / "s.csv").write_text("dose,state\n9,well\n1,ill\n8,well\n")
    support, query = tmp_path / "s.csv", tmp_path / "s.csv"
    said = metaopt("adapt", str(model), "--support", str(support), "--query", str(query),
                   "--json", "-")  # fmt: skip
    assert said.code == 0, said.err
    document = json.loads(said.out)
    wanted = read_winner(model).adapt([[9], [1], [8]], [1, 0, 1]).predict([[9], [1], [8]])
    assert document["classes"] == ["ill", "well"]
    assert document["predictions"] == [[label] for label in wanted.tolist()]
    support.write_text("dose,state\n9,wel\n1,ill\n")
    bad = metaopt("adapt", str(model), "--support", str(support))
    assert bad.code == 2 and "class 'wel', did you mean well?; the model tells ill, well" in bad.err


def test_texts_are_given_as_a_column(metaopt: Command, tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in ("rain", "sun", "fog") for b in ("", "fall", "ny", "s")]
    texts = [f"{word} {i}" for word in words for i in range(4)]
    said = {"features": 16, "text": "text", "class": "class", "ngrams": [2, 3, 4]}
    groups = tuple(Group(word, 4) for word in words)
    manifest = Manifest("text", "class", (16,), 0, groups, arrays="", packing=said)
    packed = Packed(manifest, {"x": vectors(texts, 16)})
    model = winner_of(tmp_path / "w.safetensors", packed, n_way=2)
    (tmp_path / "s.csv").write_text("class,text\nwet,rain again\ndry,sun\n")
    (tmp_path / "q.csv").write_text("id,text\n1,much rain\n2,no sun\n")
    told = metaopt(
        "adapt", str(model), "--support", str(tmp_path / "s.csv"), "--query",
        str(tmp_path / "q.csv"),
    )  # fmt: skip
    assert told.code == 0, told.err
    adapted = read_winner(model).adapt(["sun", "rain again"], [0, 1])
    wanted = adapted.predict(["much rain", "no sun"]).tolist()
    assert told.out.split() == [("dry", "wet")[label] for label in wanted]
    pictures = zoo(tmp_path / "zoo", each=1, splits=False, classes="dry wet")
    bad = metaopt("adapt", str(model), "--support", str(pictures))
    assert bad.code == 2 and "holds pictures, and the winner takes a text" in bad.err
