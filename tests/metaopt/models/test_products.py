"""Products arranged for speed are the same products, and so are their derivatives."""

import pytest
import torch

from metaopt.models.products import product


def operands(lead_a, lead_b, m, k, n, *, shared=False):
    generator = torch.Generator().manual_seed(m + n)
    a = torch.randn(*lead_a, m, k, generator=generator, dtype=torch.float64)
    b = torch.randn(*lead_b, k, n, generator=generator, dtype=torch.float64)
    if shared:
        b = b[:, :1].contiguous()
    return a.requires_grad_(), b.requires_grad_()


@pytest.mark.parametrize(
    ("lead_a", "lead_b", "m", "n", "shared"),
    [
        ((), (), 3, 4, False),
        ((2,), (2,), 7, 2, False),
        ((2, 3), (2, 3), 4, 5, False),
        ((2, 3), (2, 3), 6, 5, True),
        ((3,), (2, 3), 4, 5, False),
        ((2, 3), (2, 1), 4, 2, False),
        ((2, 3), (), 4, 2, False),
    ],
    ids=[
        "one",
        "tall",
        "wide",
        "tasks share their weights",
        "shared examples",
        "one weight per lane",
        "one weight",
    ],
)
def test_a_product_and_its_derivatives_are_those_of_matmul(lead_a, lead_b, m, n, shared):
    a, b = operands(lead_a, lead_b, m, 4, n, shared=shared)

    def ours(a, b):
        return product(a, b.expand(*b.shape[:1], lead_a[1], -1, -1) if shared else b)

    assert torch.allclose(ours(a, b), a @ b, rtol=1e-13, atol=1e-13)
    assert torch.autograd.gradcheck(ours, (a, b))
    assert torch.autograd.gradgradcheck(ours, (a, b))


@pytest.mark.parametrize("form", [product, torch.vmap(torch.vmap(product))], ids=["", "mapped"])
def test_shared_weights_are_not_copied_for_each_task(form):
    a, b = operands((2, 50), (2, 50), 10, 40, 40, shared=True)
    with torch.no_grad(), torch.profiler.profile() as profile:
        form(a, b.expand(-1, 50, -1, -1))
    names = [event.name for event in profile.events()]
    assert names.count("aten::bmm") == 1 and "aten::copy_" not in names


def test_mapped_axis_by_axis_a_product_is_the_same():
    a, b = operands((2, 3), (2, 1), 6, 4, 5)

    def mapped(a, b):
        return torch.vmap(torch.vmap(product))(a, b.expand(2, 3, 4, 5))

    assert torch.allclose(mapped(a, b), a @ b, rtol=1e-13, atol=1e-13)
    assert torch.autograd.gradcheck(mapped, (a, b))
    assert torch.autograd.gradgradcheck(mapped, (a, b))
