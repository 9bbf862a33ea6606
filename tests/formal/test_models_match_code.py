"""The models in formal/ speak of the same labels, messages, fields and states as the code."""

import importlib
import re
from pathlib import Path

import pytest
from formal.__main__ import RESULTS
from formal.model_file import MODELS, Model, all_models, read_model, without
from formal.promela import PREFIXES, TABLES, promela
from formal.spin import MODEL, NO_WAITING_NAME, claims, variants
from formal.verdict import Verdict

from veilmart.protocol import labels

DECLARATIONS = (MODELS / "veilmart.pvl").read_text()
TEXTS = "\n".join(path.read_text() for path in sorted(MODELS.glob("*.pv*")))
LABELS = {name for name in vars(labels) if name.isupper()}
# `fun Offer(bitstring, ...)`, then `(* offer.Offer: fields; left out: fields *)`.
_MESSAGE = re.compile(
    r"fun (\w+)\(([^)]*)\): bitstring \[data\]\.\s*"
    r"\(\* (\w+)\.(\w+): ([\w,\s]+?)(?:;\s+left\s+out:\s+([\w,\s]+?))? \*\)"
)


def names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def declared_labels() -> set[str]:
    return {
        name
        for group in re.findall(r"^const ([\w, ]+): label\.", DECLARATIONS, re.MULTILINE)
        for name in names(group)
    }


def test_every_label_of_the_models_is_one_of_the_code() -> None:
    declared = declared_labels()
    assert len(declared) > 20
    assert declared <= LABELS


def test_every_label_that_a_process_uses_is_declared() -> None:
    for model in all_models():
        own = set(re.findall(r"(?:free|const) ([\w, ]+): label", model.source))
        used = set(re.findall(r"\b(?:sign|verify|H|start)\(([A-Z][A-Z_]+)\b", model.source))
        assert used <= declared_labels() | own, model.name


@pytest.mark.parametrize("message", _MESSAGE.findall(TEXTS), ids=lambda found: found[0])
def test_a_message_of_the_models_has_the_fields_of_the_code(message: tuple[str, ...]) -> None:
    name, types, module, kind, modelled, left_out = message
    struct = getattr(importlib.import_module(f"veilmart.protocol.{module}"), kind)
    assert name == kind
    assert len(names(types)) == len(names(modelled))
    assert set(names(modelled)) | set(names(left_out)) == set(struct.__struct_fields__)
    assert not set(names(modelled)) & set(names(left_out))
    order = [field for field in struct.__struct_fields__ if field in names(modelled)]
    assert names(modelled) == order


def test_every_message_constructor_is_compared() -> None:
    constructors = re.findall(r"^fun (\w+)\([^)]*\): bitstring \[data\]", TEXTS, re.M)
    constructors.remove("pad")  # no message: the shape that all of them get
    assert constructors == [found[0] for found in _MESSAGE.findall(TEXTS)]
    assert len(constructors) > 5


# ---- guards and claims ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.name)
def test_every_guard_is_left_out_in_a_variant(model: Model) -> None:
    own = read_model(MODELS / f"{model.name}.pv")
    guarded = set(re.findall(r"\(\*@ guard ([\w ]+?) \*\)", own.source))
    guards = {name for group in guarded for name in group.split()}
    tried = {name for variant in own.variants for name in variant.without}
    assert guards <= tried
    assert tried <= own.guards()


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.name)
def test_a_variant_changes_the_text_and_breaks_a_claim_that_exists(model: Model) -> None:
    known = {asked.name for asked in model.asked}
    assert known
    for variant in model.variants:
        texts = [model.source, *(text for _, text in model.libraries)]
        assert any(without(t, variant.without) != without(t, ()) for t in texts)
        assert variant.breaks is None or variant.breaks in known


def test_a_guard_is_dropped_and_replaced() -> None:
    text = "  keep\n  one (*@ guard a b *)\n  (*@ without a: two *)\n"
    assert without(text, ("a",)) == "  keep\n  two\n"
    assert without(text, ("b",)) == "  keep\n  (*@ without a: two *)\n"
    assert without(text, ()) == text


# ---- SPIN ----------------------------------------------------------------------------------------


def test_every_row_of_the_state_tables_is_in_the_promela_text() -> None:
    text = promela(TABLES)
    for machine, table in TABLES.items():
        for (state, event), target in table.items():
            after = target[0] if isinstance(target, tuple) else target
            row = (
                f":: {machine} == {machine}_is_{state.name} && event == {machine}_on_{event.name}"
                f" -> {machine} = {machine}_is_{after.name}"
            )
            assert row in text


def test_every_state_and_event_that_the_model_names_exists() -> None:
    known = {f"{prefix}_{member.name}" for prefix, kind in PREFIXES.items() for member in kind}
    used = set(re.findall(r"\b(?:\w+_(?:is|on|do))_[A-Z_]+\b", MODEL.read_text()))
    assert len(used) > 25
    assert used <= known


def test_every_event_of_the_tables_happens_in_the_model() -> None:
    text = MODEL.read_text()
    for prefix in ("wallet_on", "invoice_on", "order_on"):
        for member in PREFIXES[prefix]:
            assert re.search(rf"\b{prefix}_{member.name}\b", text), member


def test_every_variant_breaks_a_claim_that_exists() -> None:
    known = {name for name, _ in claims().values()}
    assert {variant.breaks for variant in variants()} <= known | {NO_WAITING_NAME}
    assert len(known) == 11


# ---- results and citations ----------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| ([^|]+?) \| `([^`]+)` \| ([^|]+?) \|", (RESULTS / "README.md").read_text(), re.MULTILINE
)


def test_the_table_of_results_covers_every_model_and_nothing_failed() -> None:
    wanted = {
        (model.name, name)
        for model in all_models()
        for name in [
            *(asked.name for asked in model.asked),
            *(variant.name for variant in model.variants),
        ]
    }
    wanted |= {("spin purchase", variant.name) for variant in variants()}
    for paying in ("account", "token"):
        wanted |= {(f"spin purchase ({paying})", name) for name, _ in claims().values()}
        wanted.add((f"spin purchase ({paying})", NO_WAITING_NAME))
    assert {(model, claim) for model, claim, _ in ROWS} == wanted, "run make formal"
    assert Verdict.FAILED not in {verdict for _, _, verdict in ROWS}


def test_the_threat_model_cites_queries_that_exist() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text()
    cited = re.findall(r"^\| .+ \| (`(?:\w+\.pv|spin/)[^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    assert len(cited) > 10
    known = {claim for _, claim, _ in ROWS}
    for files, queries in cited:
        for name in re.findall(r"`([\w/.]+)`", files):
            folder = ROOT / "formal" if name.startswith("spin/") else MODELS
            assert (folder / name).exists(), name
        assert set(re.findall(r"`(\w+)`", queries)) <= known
