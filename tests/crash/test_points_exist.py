"""The transactions at which programs are killed are named by module and function."""

import re
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "veilmart"


def test_every_transaction_of_the_matrix_is_a_function_of_the_programs() -> None:
    """A point that no program passes any more would kill nobody, and prove nothing."""
    text = "".join(path.read_text() for path in HERE.glob("*.py"))
    named = set(re.findall(r'"[A-Za-z]*/([a-z_]+)\.([a-z_]+)"', text))
    assert len(named) > 25
    for module, function in sorted(named):
        files = SOURCE.rglob(f"{module}.py")
        defined = re.compile(rf"^ *def {function}\(", re.MULTILINE)
        assert any(defined.search(path.read_text()) for path in files), f"{module}.{function}"
