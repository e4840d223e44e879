"""Texts: the graph computes the same terms and scores as training, and tabular algorithms read texts too."""

from __future__ import annotations

import time

import numpy as np
import onnx
import polars as pl
import pytest

from pipeline.compression.passes.quantization.dynamic_int8 import DYNAMIC_CONFIGS, DynamicInt8
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.graphs.served_graph import wrap
from pipeline.graphs.texts import Unit, score_graph
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.features.text_features import encode_texts, every_target, fit_scores
from pipeline.training.features.text_score_config import TextScoreConfig
from pipeline.training.features.vocabulary import Vocabulary, tokenization_unit, tokens_of
from tests.fakes.tabular import Table, profiled
from tests.fakes.training import TrainIt

GOOD, BAD = ["great", "lovely", "superb", "kind"], ["awful", "broken", "late", "rude"]
STRANGE = ["", None, "   ", "Größe ☃ 日本語 great", "?!", "great " * 5000, "\u0130stanbul", "a\x00b"]


def texts(
    task: str = "classification", *, rows: int = 240, table: bool = False, classes: int = 2, seed: int = 0
) -> Table:
    """Make remarks in which one word tells the class, and codes whose letter tells it; a few remarks are missing."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, classes, rows)
    filler = [" ".join(random.choice(["the", "box", "came", "on", "it's", "Monday,"], 8)) for _ in range(rows)]
    words = [*zip(GOOD, BAD, strict=True), ("so-so", "fine"), ("one", "two")]
    remark = [f"{text} {random.choice(words)[k] if k < 2 else 'odd'}." for text, k in zip(filler, kind, strict=True)]
    code = [f"{'XYZ'[k] if random.random() < 0.8 else 'W'}-{random.integers(1000, 9999)}" for k in kind]
    gaps = pl.Series(random.random(rows) < 0.05)
    columns: dict[str, pl.Series] = {"remark": pl.Series(remark).set(gaps, None)}
    if table:
        columns["code"] = pl.Series(code)
        columns["size"] = pl.Series(random.normal(kind * 0.5, 1), dtype=pl.Float32)
        columns["shop"] = pl.Series(random.choice(["Rome", "Oslo"], rows))
    noise = random.normal(0, 0.1, rows)
    values = pl.Series(3 + kind + noise) if task == "regression" else pl.Series([f"class {k}" for k in kind])
    frame = pl.DataFrame({**columns, "target": values})
    cut = rows * 3 // 4
    return profiled({"train": frame[:cut], "validation": frame[cut:]}, task, texts=("remark", "code"))


@pytest.mark.parametrize(("task", "classes"), [("classification", 2), ("classification", 3), ("regression", 2)])
@pytest.mark.parametrize("table", [False, True])
def test_text_linear_learns_and_is_served_like_the_trained_model(
    task: str, classes: int, table: bool, train: TrainIt
) -> None:
    run = train("text_linear", texts(task, classes=classes, table=table))
    assert run.trained.quality["r2" if task == "regression" else "accuracy"] > 0.8
    assert run.difference() < 1e-5


@pytest.mark.parametrize("algorithm", ["linear", "random_forest", "gradient_boosting", "mlp"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_tabular_algorithm_reads_the_texts_of_a_table(algorithm: str, task: str, train: TrainIt) -> None:
    run = train(algorithm, texts(task, table=True))
    assert run.trained.quality["r2" if task == "regression" else "accuracy"] > 0.8
    assert run.difference() < 1e-5


def test_a_network_that_reads_texts_can_be_quantized(train: TrainIt) -> None:
    run = train("mlp", texts(table=True))
    small = DynamicInt8(DYNAMIC_CONFIGS[0])((run.folder / "body.onnx").read_bytes()).model
    signature = run.table.dataset.signature
    served = OnnxModel(wrap(onnx.load_from_string(small), run.table.dataset, signature).SerializeToString())
    labels = served.run(feeds(run.table.validation, signature)).labels
    assert (labels == run.served(run.table.validation).labels).mean() > 0.9


@pytest.mark.parametrize("algorithm", ["text_linear", "gradient_boosting"])
def test_every_text_gets_a_prediction_that_does_not_depend_on_other_rows(algorithm: str, train: TrainIt) -> None:
    run = train(algorithm, texts(table=True))
    rows = pl.DataFrame(
        {"remark": STRANGE, "code": STRANGE[::-1], "size": [None] * 8, "shop": ["Rome", None] * 4},
        schema_overrides={"size": pl.Float32},
    )
    probabilities = run.served(rows).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    one_by_one = np.concatenate([run.served(rows[index]).probabilities for index in range(rows.height)])
    np.testing.assert_array_equal(probabilities, one_by_one)


def test_the_same_seed_gives_the_same_file(train: TrainIt) -> None:
    first, second = (train("text_linear", texts(rows=120, table=True)).trained.model_sha256 for _ in range(2))
    assert first == second


def test_a_column_is_read_by_words_or_by_letters() -> None:
    assert tokenization_unit(np.array(["it came late", "very good, would buy again", ""], object)) == "word"
    assert tokenization_unit(np.array(["A-1234", "", "B-99"], object)) == "letter"
    assert tokenization_unit(np.array(["これは良い品です。また買います"], object)) == "letter"


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [("word", ["it's", "größe", "2", "!"]), ("letter", ["\x02", *"it's größe 2!", "\x03"])],
)
def test_tokens_are_lower_case_words_and_signs_or_letters(unit: Unit, wanted: list[str]) -> None:
    tokens = tokens_of(np.array(["", "It's GRÖSSE 2!".replace("SS", "ß"), "a"], object), unit)
    assert tokens[:2] == [[], wanted]


def test_the_terms_of_a_row_have_unit_norm_and_rare_terms_count_more() -> None:
    tokens = [["a", "b"], ["a", "c"], ["a"], []]
    vocabulary = Vocabulary.of(tokens, "word", max_ngram=2, min_rows=1, max_terms=99)
    assert list(vocabulary.index) == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c")]
    matrix = vocabulary.matrix(tokens).toarray()
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), [1, 1, 1, 0], atol=1e-6)
    assert matrix[0, 1] > matrix[0, 0]
    assert list(Vocabulary.of(tokens, "word", max_ngram=2, min_rows=2, max_terms=99).index) == [("a",)]


def _task(classes: int = 3, rows: int = 90) -> TrainingTask:
    random = np.random.default_rng(0)
    words = np.array([" ".join(random.choice(list("abcdefgh"), 6)) for _ in range(rows)], object)
    part = Rows(
        num=random.normal(size=(rows, 1)).astype(np.float32),
        cat=np.empty((rows, 0), np.int64),
        target=random.integers(0, classes, rows),
        text=words[:, None],
    )
    return TrainingTask(
        classes=classes, cardinalities=(), train=part, validation=part, seed=0,
    )  # fmt: skip


def test_the_graph_computes_the_same_scores_as_training() -> None:
    task = _task()
    scores = fit_scores(TextScoreConfig(), task, every_target(task), RunContext())
    (outputs,) = OnnxModel(scores.graph().SerializeToString()).run_raw({"text": task.train.text})
    np.testing.assert_allclose(outputs, scores.apply(task.train.text), atol=1e-5)


def test_the_text_scores_of_a_training_row_come_from_a_model_that_has_not_seen_the_row() -> None:
    task = _task(classes=2, rows=300)
    codes = encode_texts(task, TextScoreConfig(), RunContext(), every_class=False)
    out_of_fold, in_sample = codes.train.num[:, 1], codes.append_scores(task.train).num[:, 1]
    assert abs(np.corrcoef(out_of_fold, task.train.target)[0, 1]) < 0.2
    assert np.corrcoef(in_sample, task.train.target)[0, 1] > 0.3


def test_text_scores_are_computed_once_for_the_same_rows() -> None:
    task = _task()
    first = encode_texts(task, TextScoreConfig(), RunContext(), every_class=True)
    assert encode_texts(task, TextScoreConfig(), RunContext(), every_class=True) is first
    assert encode_texts(_task(), TextScoreConfig(), RunContext(), every_class=True) is not first


SCRIPTS = [
    *("荷物が遅れました", "修理", "サーバー", "二〇二四年", "𠮷野家", "ﾊﾝｶｸ", "ㄅㄆㄇ"),
    *("ที่นี่มีรถ", "ຂອບໃຈ", "ខ្ញុំ", "ကျွန်တော်"),
    *("iPhone", "it's", "Größe", "где", "заказ", "أين", "طلبي", "איפה", "안녕하세요", "नमस्ते"),
    *("😀👍🏽", "2.5", "!?", "<br/>", "x_y"),
]


def mixed_scripts(rows: int, seed: int) -> np.ndarray:
    """Make texts of words of several scripts, with or without blanks between the words."""
    random = np.random.default_rng(seed)
    return np.array(
        [
            "".join(word + random.choice(["", " "]) for word in random.choice(SCRIPTS, random.integers(0, 12)))
            for _ in range(rows)
        ],
        object,
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("iPhone 修理", ["iphone", "修", "理"]),
        ("iPhone修理2回!", ["iphone", "修", "理", "2", "回", "!"]),
        ("サーバーが落ちた", ["サ", "ー", "バ", "ー", "が", "落", "ち", "た"]),
        ("ที่นี่ มีรถ", ["ที่", "นี่", "มี", "ร", "ถ"]),
        ("𠮷野家 ok", ["𠮷", "野", "家", "ok"]),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("أين طلبي", ["أين", "طلبي"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("👍🏽 hello_world", ["👍", "🏽", "hello_world"]),
        ("don't stop 3x", ["don't", "stop", "3x"]),
    ],
)
def test_scripts_without_blanks_are_split_into_characters(text: str, wanted: list[str]) -> None:
    assert tokens_of(np.array([text], object), "word") == [wanted]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unit", ["word", "letter"])
def test_the_graph_reads_any_mix_of_scripts_like_training(unit: Unit, seed: int) -> None:
    train, unseen = mixed_scripts(80, seed), mixed_scripts(40, seed + 99)
    vocabulary = Vocabulary.of(tokens_of(train, unit), unit, max_ngram=2, min_rows=1, max_terms=5000)
    weights = np.random.default_rng(seed).normal(size=(len(vocabulary.index), 3))
    graph = score_graph([vocabulary.terms(weights)], np.zeros(3, np.float32))
    (outputs,) = OnnxModel(graph.SerializeToString()).run_raw({"text": unseen[:, None]})
    np.testing.assert_allclose(outputs, vocabulary.matrix(tokens_of(unseen, unit)) @ weights, atol=1e-5)


def test_tokenization_loses_no_character() -> None:
    for text, tokens in zip(texts_ := mixed_scripts(200, 7), tokens_of(texts_, "word"), strict=True):
        assert "".join(tokens) == "".join(text.lower().split())


def tickets(rows: int, seed: int) -> Table:
    """Tickets in four languages, a fifth of them in a script without blanks."""
    random = np.random.default_rng(seed)
    phrases = {
        "delivery": ["my parcel is late", "荷物が遅れました", "где моя посылка", "พัสดุมาช้า"],
        "repair": ["the phone is broken", "iPhone 修理をお願いします", "телефон не работает", "โทรศัพท์เสีย"],
    }
    kinds = random.choice(list(phrases), rows)
    remarks = [" ".join(random.choice(phrases[kind], 2)) + random.choice(["", " 😀", " !!"]) for kind in kinds]
    frame = pl.DataFrame({"remark": remarks, "target": kinds})
    return profiled({"train": frame[: rows // 2], "validation": frame[rows // 2 :]}, "classification", texts=["remark"])


@pytest.mark.parametrize("algorithm", ["text_linear", "linear", "transformer"])
def test_tickets_in_several_scripts_are_classified(algorithm: str, train: TrainIt) -> None:
    run = train(algorithm, tickets(200, 0))
    assert run.trained.quality["accuracy"] > 0.95
    assert run.difference() < 1e-4
    unseen = pl.DataFrame(
        {"remark": ["修理", "", None, "😀", "荷物", "the phone is broken " * 1000, "荷物が遅れました" * 2500]}
    )
    predictions = run.served(unseen)
    assert np.isfinite(predictions.probabilities).all()
    assert predictions.labels[-2:].tolist() == ["repair", "delivery"]


def test_new_words_are_classified_by_the_letters_of_their_script(train: TrainIt) -> None:
    random = np.random.default_rng(0)
    words = {
        "ar": "أين طلبي وصل الطرد متأخرا اتصل بي من فضلك",
        "he": "איפה ההזמנה שלי החבילה הגיעה מאוחר תתקשרו אלי",
        "en": "where is my order please call me back the parcel came late",
        "ja": "注文は どこですか 荷物が 遅れました 折り返し 電話ください",
    }
    languages = random.choice(list(words), 300)
    remarks = [" ".join(random.choice(words[language].split(), 4)) for language in languages]
    frame = pl.DataFrame({"remark": remarks, "target": languages})
    splits = {"train": frame[:200], "validation": frame[200:]}
    run = train("text_linear", profiled(splits, "classification", texts=["remark"]))
    unseen = {
        "هل يمكنكم إرسال فاتورة جديدة": "ar",
        "אפשר לקבל חשבונית חדשה": "he",
        "Could you kindly issue a new invoice for the goods I bought last month. " * 50: "en",
        "請求書を再発行してください": "ja",
    }
    assert run.served(pl.DataFrame({"remark": list(unseen)})).labels.tolist() == list(unseen.values())


def test_a_vocabulary_of_long_texts_is_built_in_bounded_time_and_memory() -> None:
    random = np.random.default_rng(0)
    signs = [chr(code) for code in range(0x4E00, 0x4E00 + 1500)]
    long = np.array(["".join(random.choice(signs, 20_000)) for _ in range(10)], object)
    started = time.process_time()
    tokens = tokens_of(long, "letter")
    vocabulary = Vocabulary.of(tokens, "letter", max_ngram=4, min_rows=1, max_terms=200_000)
    matrix = vocabulary.matrix(tokens)
    assert time.process_time() - started < 20
    assert len({id(token) for row in tokens for token in row}) <= 1502
    np.testing.assert_allclose(np.sqrt(matrix.multiply(matrix).sum(axis=1)), 1, atol=1e-4)


def test_rare_terms_are_dropped_while_too_many_terms_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [["often", f"once {row}", f"rare {row}"] for row in range(200)]
    wanted = Vocabulary.of(tokens, "word", max_ngram=1, min_rows=1, max_terms=10)
    monkeypatch.setattr("pipeline.training.features.vocabulary._MAX_COUNTED_TERMS", 50)
    vocabulary = Vocabulary.of(tokens, "word", max_ngram=1, min_rows=1, max_terms=10)
    assert vocabulary.index.keys() & {("often",)}
    assert len(vocabulary.index) == len(wanted.index) == 10
    assert vocabulary.idf[vocabulary.index[("often",)]] == wanted.idf[wanted.index[("often",)]]
