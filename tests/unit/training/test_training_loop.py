from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.evaluation.scoring import OnnxModel
from pipeline.training.answering import Answering
from pipeline.training.inputs import columns
from tests.fakes.networks import Ensemble, learn, points, problem, weights


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    first, second, other = (learn(problem(seed=seed)) for seed in (3, 3, 4))
    assert weights(first.network) == weights(second.network) != weights(other.network)


def test_rows_of_weight_nothing_teach_nothing() -> None:
    true = points(200)
    wrong = np.arange(200) % 2 == 0
    weight = np.where(wrong, 0, 2).astype(np.float32)
    lied = replace(true, target=np.where(wrong, 1 - true.target, true.target))
    answers = {}
    for name, rows in (("weighted", replace(lied, weight=weight)), ("not", lied)):
        given = problem(train=rows)
        network = learn(given, epochs=30).network
        found = Answering(network, columns("num"), classes=2).answers(given.validation).argmax(axis=1)
        answers[name] = (found == given.validation.target).mean()
    assert answers["weighted"] > 0.9 > answers["not"]


def test_a_point_of_the_curve_is_watched_each_epoch() -> None:
    seen: list[dict[str, float]] = []
    learned = learn(problem(watch=lambda point: seen.append(dict(point))), epochs=3)
    assert seen == list(learned.history)
    assert [point["epoch"] for point in seen] == [1, 2, 3]
    assert {"loss", "validation_loss", "learning_rate", "rows_per_second", "memory_mb", "seconds"} <= set(seen[0])
    assert all(value > 0 for value in seen[0].values())


@pytest.mark.parametrize("classes", [0, 3])
def test_members_learn_each_by_themselves_and_answer_together(classes: int) -> None:
    given = problem(classes=classes, rows=200)
    outputs = classes or 1
    learned = learn(given, lambda: Ensemble(4, outputs), epochs=40, learning_rate=0.05, early_stopping=40)
    answering = Answering(learned.network, columns("num"), classes=classes)
    found = torch.from_numpy(answering.answers(given.validation))
    target = torch.from_numpy(given.validation.target)
    if classes:
        loss = nn.functional.nll_loss(found.log(), target).item()
        members = learned.network(torch.from_numpy(given.validation.num)).softmax(-1)
        torch.testing.assert_close(found, members.mean(1))
    else:
        loss = nn.functional.mse_loss(found, target.float()).item()
    best = min(point["validation_loss"] for point in learned.history)
    assert loss == pytest.approx(best, rel=1e-5)
    assert loss < 0.5
    alike = [member.weight.flatten().tolist() for member in learned.network.get_submodule("each")]  # type: ignore[union-attr]
    assert alike[0] != alike[1]


class Picture(nn.Module):
    """uint8 [batch, height, width, 1] and [batch, 2] -> [batch, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, image: Tensor, num: Tensor) -> Tensor:
        bright = image.permute(0, 3, 1, 2).float().mean(dim=(2, 3)) / 255
        cat = torch.cat([bright, bright, num], dim=1)
        answer: Tensor = self.last(cat)
        return answer


def test_a_body_takes_the_inputs_that_its_network_reads_by_their_names() -> None:
    rows = replace(points(40), image=np.random.default_rng(0).integers(0, 256, (40, 4, 6, 1), np.uint8))
    answering = Answering(Picture().eval(), columns("image", "num"), classes=2)
    body = answering.body(rows)
    assert [given.name for given in body.graph.input] == ["image", "num"]
    (answer,) = OnnxModel(body.SerializeToString()).run_raw({"image": rows.image, "num": rows.num})
    np.testing.assert_allclose(answer, answering.answers(rows), atol=1e-6)
