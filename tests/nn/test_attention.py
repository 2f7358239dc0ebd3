"""Attention: its contract, and that of Luong et al. against a plain loop. What models do with it: test_models."""

from itertools import product

import pytest
import torch
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import recast.nn.attention
from recast.errors import ConfigurationError
from recast.nn.attention import Attention, Luong, NoAttention

ATTENTIONS = concrete_classes(recast.nn.attention, Attention)
SCORES = ("dot", "general", "concat")
every_attention = pytest.mark.parametrize("attention_class", ATTENTIONS, ids=lambda value: value.__name__)
every_score = pytest.mark.parametrize("score", SCORES)
BATCH, QUERIES, CONTEXT, SIZE = 2, 3, 5, 4


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def luong_of(score: str, *, memory_size: int = SIZE) -> Luong:
    """In float64, with weights large enough for every step to count differently."""
    attention = Luong(query_size=SIZE, memory_size=memory_size, score=score).double()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.uniform_(-1, 1)
    return attention


def inputs_of(memory_size: int = SIZE) -> tuple[Tensor, Tensor]:
    query = torch.randn(BATCH, QUERIES, SIZE, dtype=torch.float64)
    return query, torch.randn(BATCH, CONTEXT, memory_size, dtype=torch.float64)


def plain(attention: Luong, query: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Attentional vectors and weights, number by number, from the formulas of the paper."""
    memory_size = outputs.shape[-1]
    vectors, weights = [], []
    for sample, index in product(range(BATCH), range(QUERIES)):
        h = query[sample, index]
        scores = []
        for m in outputs[sample]:
            if attention.score == "dot":
                scores.append(sum(h[i] * m[i] for i in range(SIZE)))
            elif attention.score == "general":
                w_a = attention.key.weight
                scores.append(sum(h[i] * w_a[i, j] * m[j] for i in range(SIZE) for j in range(memory_size)))
            else:
                w_a = torch.cat([attention.query.weight, attention.key.weight], dim=1)
                joined = torch.tanh(w_a @ torch.cat([h, m]))
                scores.append(sum(attention.direction.weight[0, i] * joined[i] for i in range(SIZE)))
        exponentials = [torch.exp(score) for score in scores]
        shares = [value / sum(exponentials) for value in exponentials]
        context = sum(share * m for share, m in zip(shares, outputs[sample], strict=True))
        vectors.append(torch.tanh(attention.combine.weight @ torch.cat([context, h])))
        weights.append(torch.stack(shares))
    shape = BATCH, QUERIES, -1
    return torch.stack(vectors).reshape(shape), torch.stack(weights).reshape(shape)


def test_attentions_are_found():
    assert {Luong, NoAttention} <= set(ATTENTIONS)


@every_attention
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    queries=st.integers(1, 4),
    context=st.integers(1, 5),
    sizes=st.tuples(*[st.integers(1, 4)] * 2),
)
def test_shapes_and_range(attention_class, batch, queries, context, sizes):
    attention = attention_class(query_size=sizes[0], memory_size=sizes[1])
    query = torch.randn(batch, queries, sizes[0])
    memory = attention.memorise(torch.randn(batch, context, sizes[1]))
    weights = attention.weights(query, memory)
    assert weights.shape == (batch, queries, context)
    assert ((weights >= 0) & (weights <= 1)).all()
    assert attention(query, memory).shape == query.shape


@every_attention
def test_queries_do_not_see_each_other(attention_class):
    attention = attention_class(query_size=SIZE, memory_size=SIZE).double()
    query, outputs = inputs_of()
    memory = attention.memorise(outputs)
    one_by_one = torch.cat([attention(query[:, [index]], memory) for index in range(QUERIES)], dim=1)
    torch.testing.assert_close(attention(query, memory), one_by_one, rtol=1e-12, atol=1e-12)


def test_no_attention_is_the_query():
    attention = NoAttention(query_size=SIZE, memory_size=SIZE)
    query, outputs = inputs_of()
    memory = attention.memorise(outputs)
    assert attention(query, memory).equal(query)
    assert not attention.weights(query, memory).any()
    assert not list(attention.parameters())


@pytest.mark.parametrize(
    ("score", "memory_size"),
    [("dot", SIZE), ("general", SIZE), ("general", 2 * SIZE), ("concat", SIZE), ("concat", 2 * SIZE)],
)
def test_luong_equals_a_plain_loop_in_values_and_gradients(score, memory_size):
    attention = luong_of(score, memory_size=memory_size)
    query, outputs = (values.requires_grad_() for values in inputs_of(memory_size))
    memory = attention.memorise(outputs)
    found = attention(query, memory), attention.weights(query, memory)
    expected = plain(attention, query, outputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(query)
    given_ = [query, outputs, *attention.parameters()]
    for one, other in zip(
        torch.autograd.grad((upstream * found[0]).sum(), given_),
        torch.autograd.grad((upstream * expected[0]).sum(), given_),
        strict=True,
    ):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@every_score
def test_weights_sum_to_one_and_follow_their_steps(score):
    attention = luong_of(score)
    query, outputs = inputs_of()
    order = torch.randperm(CONTEXT)
    memory, mixed = attention.memorise(outputs), attention.memorise(outputs[:, order])
    weights = attention.weights(query, memory)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(BATCH, QUERIES, dtype=torch.float64))
    assert weights.std(dim=-1).min() > 0.01  # not uniform: the order matters
    torch.testing.assert_close(attention.weights(query, mixed), weights[..., order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(attention(query, mixed), attention(query, memory), rtol=1e-12, atol=1e-12)


def test_a_step_that_answers_the_query_is_looked_at():
    attention = luong_of("dot")
    steps = 20 * torch.eye(SIZE, dtype=torch.float64).expand(BATCH, -1, -1)
    query = torch.eye(SIZE, dtype=torch.float64)[[2, 0]].expand(BATCH, -1, -1)
    weights = attention.weights(query, attention.memorise(steps))
    assert weights.argmax(dim=-1).tolist() == [[2, 0]] * BATCH
    assert weights.max(dim=-1).values.min() > 0.99


@every_score
def test_gradients_of_luong(score):
    attention = luong_of(score)
    query, outputs = (values.requires_grad_() for values in inputs_of())
    assert torch.autograd.gradcheck(lambda q, m: attention(q, attention.memorise(m)), (query, outputs))


def test_dot_needs_equal_sizes():
    with pytest.raises(
        ConfigurationError, match=r"score='dot'.*decoder's outputs have 4.*encoder's 8.*score='general'"
    ):
        Luong(query_size=4, memory_size=8, score="dot")


@pytest.mark.parametrize(("option", "value"), [("score", "cosine"), ("query_size", 0), ("memory_size", 0)])
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"Luong: {option}={value!r}"):
        Luong(**({"query_size": 1, "memory_size": 1} | {option: value}))
