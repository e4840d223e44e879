"""Other names that people use for tasks, and the messages for tasks that are not supported."""

from __future__ import annotations

__all__ = ["check_task_name"]

_SUPPORTED = "classification, regression or clustering is expected"
_BY_TIME = (
    "regression or classification with `split: {by: time, column: ...}` learns rows that have their past as columns"
)
_FORECASTING = f"forecasting is not supported: {_BY_TIME}"
_SURVIVAL = (
    "survival analysis (times of which some are censored) is not supported: classification whether the event comes "
    "within a fixed time is"
)
_RANKING = (
    "ranking is not supported: regression of the grade is, with `split: {by: group, column: ...}` for the query, and "
    "results are sorted by what is predicted"
)
_ANOMALIES = (
    "anomaly detection is not supported: classification of rows that are labeled as anomalies is, and clustering"
)
_RECOMMENDATION = "recommendation is not supported: regression of a rating by its user and item columns is"
_REDUCTION = "dimensionality reduction is not supported: clustering is what is learned without a target"
_GENERATION = "tasks that generate or mark texts are not supported: classification of whole texts is"
_DETECTION = "detection and segmentation within images are not supported: classification of whole images is"
_UNSUPPORTED = {
    _SURVIVAL: ("survival", "survival_analysis", "time_to_event", "cox", "hazard", "censored", "churn_time"),
    _RANKING: ("ranking", "rank", "learning_to_rank", "learn_to_rank", "ltr", "lambdarank", "search_ranking"),
    _FORECASTING: ("forecasting", "forecast", "time_series", "timeseries", "time_series_forecasting", "ts", "arima",
                   "sequence", "nowcasting", "time_series_prediction"),
    _ANOMALIES: ("anomaly", "anomalies", "anomaly_detection", "outlier", "outliers", "outlier_detection", "novelty",
                 "novelty_detection", "one_class"),
    _RECOMMENDATION: ("recommendation", "recommender", "recommend", "collaborative_filtering", "recommendation_system"),
    _REDUCTION: ("dimensionality_reduction", "reduction", "pca", "embedding", "embeddings", "tsne", "umap"),
    _GENERATION: ("generation", "text_generation", "ner", "named_entity_recognition", "token_classification",
                  "summarization", "translation", "question_answering", "seq2seq"),
    _DETECTION: ("object_detection", "detection", "segmentation", "image_segmentation", "semantic_segmentation"),
}  # fmt: skip
_SENTENCES = {name: sentence for sentence, names in _UNSUPPORTED.items() for name in names}
_SYNONYMS = {
    "classification": ("classify", "classifier", "class", "binary", "binary_classification", "multiclass", "logistic",
                       "multi_class", "multiclass_classification", "text_classification", "image_classification",
                       "tabular_classification", "multilabel", "multi_label", "multilabel_classification",
                       "multi_label_classification", "ordinal_classification", "sentiment", "sentiment_analysis"),
    "regression": ("regress", "regressor", "numeric", "continuous", "number", "tabular_regression", "ordinal", "count",
                   "ordinal_regression", "counts", "poisson", "quantile", "quantile_regression", "multioutput",
                   "multi_output", "multioutput_regression", "multi_output_regression"),
    "clustering": ("cluster", "clusters", "kmeans", "k_means", "unsupervised"),
}  # fmt: skip
_MEANT = {name: task for task, names in _SYNONYMS.items() for name in names}


def check_task_name(name: object) -> object:
    """Refuse the name of an unsupported task or a synonym of a supported one; return any other value.

    Raises:
        ValueError: The message says what is supported, or which name is meant.
    """
    if not isinstance(name, str):
        return name
    spelled = "_".join(name.lower().replace("-", " ").replace("_", " ").split())
    if spelled in _SENTENCES:
        raise ValueError(f"'{name}': {_SENTENCES[spelled]}")
    if spelled in _MEANT:
        raise ValueError(f"'{name}': did you mean '{_MEANT[spelled]}'?")
    if spelled not in _SYNONYMS:
        raise ValueError(f"unknown value '{name[:60]}': {_SUPPORTED}")
    return name
