"""An attacker that learns from labelled purchases: what a broker could do with its own purchases.

Gradient boosting and a forest, cross-validated, in one thread; each feature alone by
Kruskal-Wallis, corrected after Holm; and where the models are above chance and no feature decides,
a permutation test of the forest that ends at the first permutation that is as good (Besag and
Clifford 1991). SciPy and scikit-learn are imported where they are used: collecting the tests does
not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]
Learner = Callable[[Table, Labels, Table], Labels]
"""Rows and their labels, rows that are asked about: their labels as guessed."""

FOLDS = 5
TREES = 20
SIGNIFICANT = 0.01
ROUNDS = 100  # permutations: as many as a p below SIGNIFICANT needs


@dataclass(frozen=True)
class Verdict:
    """How well an attacker tells products apart.

    boosting, forest: accuracies. p: of the forest's, by permutation, 1 where none was needed.
    feature: the most telling one alone, and its p after Holm's correction.
    """

    purchases: int
    chance: float
    boosting: float
    forest: float
    p: float
    feature: str
    feature_p: float

    @property
    def standard_error(self) -> float:
        return float(np.sqrt(self.chance * (1 - self.chance) / self.purchases))

    @property
    def above_chance(self) -> bool:
        """By more than two standard errors."""
        return max(self.boosting, self.forest) > self.chance + 2 * self.standard_error

    @property
    def recognised(self) -> bool:
        """Whether the attacker tells products apart: above chance and beyond what permuted labels

        give, or by one feature alone.
        """
        return (self.above_chance and self.p < SIGNIFICANT) or self.feature_p < SIGNIFICANT

    def line(self) -> str:
        return (
            f"{self.purchases:4} purchases  chance {self.chance:.2f} ± {self.standard_error:.2f}  "
            f"boosting {self.boosting:.2f}  forest {self.forest:.2f}  p {self.p:.3f}  "
            f"best feature {self.feature} (p {self.feature_p:.2g})"
        )


def attack(table: Table, labels: Labels, names: list[str], seed: int) -> Verdict:
    """table: a row for each purchase, NaN where it has no such feature."""
    import sklearn.ensemble  # noqa: F401 - before the limit, which holds for what is loaded
    from threadpoolctl import threadpool_limits

    kept = [column for column in range(table.shape[1]) if len(set(table[:, column])) > 1]
    table, names = table[:, kept], [names[column] for column in kept]
    counts = np.bincount(labels)
    chance = float(counts.max() / counts.sum())
    if not kept:
        return Verdict(len(labels), chance, chance, chance, 1.0, "none", 1.0)
    feature, feature_p = _best_feature(table, labels, names)
    with threadpool_limits(1):
        boosting = _accuracy(_boosting(seed), table, labels, seed)
        forest = _accuracy(_forest(seed), table, labels, seed)
        found = Verdict(len(labels), chance, boosting, forest, 1.0, feature, feature_p)
        if found.above_chance and not found.recognised:
            found = replace(found, p=_permuted(table, labels, forest, seed))
    return found


def _permuted(table: Table, labels: Labels, accuracy: float, seed: int) -> float:
    """How often permuted labels are learned as well; no more precisely than needed."""
    random = np.random.default_rng(seed)
    for number in range(1, ROUNDS + 1):
        if _accuracy(_forest(seed), table, random.permutation(labels), seed) >= accuracy:
            return 1 / number
    return 1 / (ROUNDS + 1)


def _boosting(seed: int) -> Learner:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=40, min_samples_leaf=5, early_stopping=False, random_state=seed
    )

    def learn(table: Table, labels: Labels, asked: Table) -> Labels:
        found: Labels = model.fit(table, labels).predict(asked)
        return found

    return learn


def _forest(seed: int) -> Learner:
    """Extremely randomized trees, without the checks of scikit-learn's own forest."""
    from sklearn.tree import ExtraTreeClassifier

    def learn(table: Table, labels: Labels, asked: Table) -> Labels:
        votes = 0.0
        for number in range(TREES):
            tree = ExtraTreeClassifier(min_samples_leaf=2, random_state=seed * TREES + number)
            tree.fit(table, labels, check_input=False)
            votes = votes + tree.predict_proba(asked, check_input=False)
        return np.unique(labels)[np.argmax(votes, axis=1)]

    return learn


def _accuracy(learn: Learner, table: Table, labels: Labels, seed: int) -> float:
    """Cross-validated."""
    from sklearn.model_selection import StratifiedKFold

    filled, right = np.nan_to_num(table, nan=-1.0).astype(np.float32), 0
    for known, asked in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(
        filled, labels
    ):
        right += int(np.sum(learn(filled[known], labels[known], filled[asked]) == labels[asked]))
    return right / len(labels)


def _best_feature(table: Table, labels: Labels, names: list[str]) -> tuple[str, float]:
    """The smallest p; times the number of features is Holm's correction of the smallest."""
    from scipy.stats import kruskal

    found = []
    for column, name in enumerate(names):
        values = np.nan_to_num(table[:, column], nan=-1.0)
        groups = [values[labels == label] for label in np.unique(labels)]
        found.append((float(kruskal(*groups).pvalue), name))
    p, name = min(found)
    return name, min(1.0, p * len(found))
