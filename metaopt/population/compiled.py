"""The one place that compiles: a meta-iteration of a fixed number of lanes as machine code.

    meta_iteration ──trace──▶ graph of plain operations ──Inductor──▶ file ──load──▶ Step

The trace goes through the inner loop, its derivatives, the outer optimizer and the freeze, so
one call of the program is one meta-iteration of all its lanes.  Inductor, the compiler behind
`torch.compile`, writes it ahead of time into one file (AOTInductor): another process loads that
file, without tracing and without a compiler, and gets the same bits.
"""

import hashlib
import io
import platform
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from metaopt import errors
from metaopt.algorithms.drawn import Drawn
from metaopt.errors import CorruptProgram, MiscompiledProgram
from metaopt.population.kinds import plugins_of
from metaopt.population.lanes import Lanes
from metaopt.population.signature import Signature
from metaopt.population.step import CHANGED, Program, draw, meta_iteration
from metaopt.tasks.base import Examples

PARTIAL = "partial-"
"""How the names of directories begin in which a program is being made."""

INDUCTOR: Mapping[str, object] = {
    # They take longer to compile than they save, and lie outside the directory of programs.
    "aot_inductor.precompile_headers": False,
}
"""Options of the compiler for every program."""

Step = Callable[[Lanes, Drawn], Lanes]

Opened = Callable[[str, bytes], bytes]


def compile_step(program: Program, lanes: Lanes, path: Path) -> None:
    """Compile the meta-iteration of `program` for as many lanes as `lanes` has, into `path`.

    The file appears whole, and after it has computed what the plain program computes, or not at
    all.  Takes tens of seconds and needs a C++ compiler (on a GPU, CUDA's headers too).

    Args:
        lanes: Fresh lanes to compile and to check with.

    Raises:
        MiscompiledProgram: the compiled program computes something else.
        Exception: whatever the compiler says; there is no compiler, for example.
    """
    drawn = draw(program, lanes, 1).at(0)
    arguments = _arguments(lanes, drawn)
    graph = _trace(program, lanes, arguments)
    # A file of its final suffix, as the packager demands, but not where the whole ones are.
    prefix = f"{PARTIAL}{path.stem}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as directory:
        partial = Path(directory) / path.name
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own modules about each other
            exported = torch.export.export(graph, arguments)
            algorithm, model = program.kinds
            options = {**INDUCTOR, **model.inductor, **algorithm.inductor}
            torch._inductor.aoti_compile_and_package(
                exported, package_path=str(partial), inductor_configs=options
            )
        _check(program, load_step(partial)(lanes, drawn), meta_iteration(program, lanes, drawn))
        partial.replace(path)


def traced_digest(program: Program, lanes: Lanes) -> str:
    """A SHA-256 of what the meta-iteration of `program` computes: its operations and constants.

    For those whose signature does not say it, as with a model from a notebook.  Tracing takes
    seconds.
    """
    arguments = _arguments(lanes, draw(program, lanes, 1).at(0))
    graph = _trace(program, lanes, arguments)
    digest = hashlib.sha256(repr([(tensor.dtype, tensor.shape) for tensor in arguments]).encode())
    for part in graph.modules():
        if isinstance(part, GraphModule):
            digest.update(part.code.encode())
    for name, constant in sorted(graph.named_buffers()):
        digest.update(f"{name} {constant.dtype} {tuple(constant.shape)}".encode())
        digest.update(constant.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _trace(program: Program, lanes: Lanes, arguments: tuple[Tensor, ...]) -> GraphModule:
    graph: GraphModule = make_fx(_function(program, list(lanes.tensors())))(*arguments)
    return graph


def _check(program: Program, compiled: Lanes, plain: Lanes) -> None:
    """Raise unless both are the same lanes up to rounding.

    A compiler can be wrong (`metaopt.models.kinds.conv4`), and nobody would notice in a noisy
    score.  φ has a tolerance of its own: Adam's first step turns the sign of a gradient that is
    zero up to rounding into a whole step.
    """
    rounding = (
        0.1 if program.learner.compute else 1e-3 if plain.phi.dtype == torch.float32 else 1e-8
    )
    for name in CHANGED:
        ours, theirs = getattr(compiled, name).double(), getattr(plain, name).double()
        error = float((ours - theirs).norm() / theirs.norm().clamp(min=1e-30))
        if not error <= (max(rounding, 1e-2) if name == "phi" else rounding):
            raise MiscompiledProgram(
                f"the compiled program is off by {error:.1e} in {name}, where rounding is below "
                f"{rounding:g}: it is not used"
            )


def load_step(path: Path, opened: Opened = lambda _, content: content) -> Step:
    """The compiled step in `path`, which only takes as many lanes as it was compiled for.

    Args:
        path: Of its file.
        opened: Given the name and the bytes of the file, returns those of the program.  It is
            machine code, so whoever does not trust all who can write there checks it here: what is
            loaded is a copy of the bytes that this returns, which nobody else can reach.

    Raises:
        CorruptProgram: the file is damaged.
        RuntimeError, OSError: it is not there, or not for this build of torch.
        Exception: whatever `opened` raises.
    """
    content = opened(path.name, path.read_bytes())
    _check_whole(path.name, content)
    with tempfile.TemporaryDirectory(prefix="metaopt-program-") as directory:
        copy = Path(directory) / path.name
        copy.write_bytes(content)
        compiled = _loaded(copy)

    def step(lanes: Lanes, drawn: Drawn) -> Lanes:
        changed = compiled(list(_arguments(lanes, drawn)))
        return lanes.replace(**dict(zip(CHANGED, changed, strict=True)))

    return step


def _loaded(path: Path) -> Callable[[list[Tensor]], Sequence[Tensor]]:
    # `torch.compile`'s own loader is this one behind its compiler, whose import takes longer than
    # a short segment.
    try:
        run: Callable[[list[Tensor]], Sequence[Tensor]] = torch._C._aoti.AOTIModelPackageLoader(
            str(path), "model", False, 1, -1
        ).boxed_run
    except (TypeError, AttributeError):  # it is private, and another torch may have another
        package = torch._inductor.aoti_load_package(str(path))
        return lambda arguments: package(*arguments)
    return run


def _check_whole(name: str, content: bytes) -> None:
    """Compare a file's parts with their check sums: half of a program crashes who calls it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
    # Damage may look like another compression, a password, a name in another encoding and more.
    except Exception as error:
        raise CorruptProgram(f"{name} is no compiled program: {error}") from None
    if damaged is not None:
        raise CorruptProgram(f"{name} is damaged in {damaged}")


def program_key(
    signature: Signature, device: str, lanes: int | None = None, traced: str | None = None
) -> str:
    """A name that equal programs share: same code, plug-ins, torch, processor and shapes.

    Args:
        traced: `traced_digest`, where the signature alone does not say what a program computes.
    """
    what = [
        signature.digest(),
        lanes,
        traced,
        device,
        torch.get_num_threads(),
        _machine(device),
        _code(),
        [plugin.origin.digest for plugin in plugins_of(signature)],
    ]
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def _arguments(lanes: Lanes, drawn: Drawn) -> tuple[Tensor, ...]:
    return (*lanes.tensors().values(), *drawn.support, *drawn.query, drawn.batches)


def _function(program: Program, names: list[str]) -> Callable[..., tuple[Tensor, ...]]:
    """The meta-iteration as a function of tensors alone, in the order of `_arguments`.

    Args:
        names: Of the lanes' tensors.
    """

    def function(*tensors: Tensor) -> tuple[Tensor, ...]:
        lanes = Lanes.of(dict(zip(names, tensors, strict=False)))
        x_s, y_s, x_q, y_q, batches = tensors[len(names) :]
        drawn = Drawn(Examples(x_s, y_s), Examples(x_q, y_q), batches)
        after = meta_iteration(program, lanes, drawn)
        return tuple(getattr(after, name) for name in CHANGED)

    return function


@cache
def _code() -> str:
    """A digest of the sources that decide what a program computes."""
    root = Path(errors.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if "search" not in path.parts:
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _machine(device: str) -> str:
    if device != "cpu":
        return f"{torch.__version__} {torch.cuda.get_device_name()}"
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    model = {line for line in lines if line.startswith(("model name", "flags"))}
    return f"{torch.__version__} {platform.platform()} {sorted(model)}"
