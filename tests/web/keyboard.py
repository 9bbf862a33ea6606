"""A person who uses no mouse: Tab, Enter, Space and text, and a focus that can be seen."""

from tests.web.browser import Watched

TABS_MAX = 80
TRIES = 3
NAME = """() => {
  const at = document.activeElement;
  const label = at.labels && at.labels[0];
  return (at.getAttribute("aria-label") || (label && label.innerText) || at.innerText || "").trim();
}"""
SEEN = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" || style.boxShadow !== "none";
}"""


def tab_to(watched: Watched, name: str) -> None:
    """Tab until what has the focus has a label or text that begins with `name`."""
    page = watched.page
    for _ in range(TABS_MAX):
        page.wait_for_load_state()
        page.keyboard.press("Tab")
        if page.evaluate(NAME).startswith(name):
            assert page.evaluate(SEEN), f"{name} does not show its focus."
            return
    raise AssertionError(f"No key leads to {name}: {page.inner_text('main')}")


def press(watched: Watched, name: str, key: str = "Enter") -> None:
    """Tab to a link or button and press it; ends on the page that it leads to."""
    tab_to(watched, name)
    with watched.page.expect_navigation():
        watched.page.keyboard.press(key)


def type_into(watched: Watched, name: str, text: str) -> None:
    """Tab to a field and replace what is in it."""
    tab_to(watched, name)
    type_here(watched, text)


def type_here(watched: Watched, text: str) -> None:
    """Replace what is in the field that has the focus."""
    for _ in range(TRIES):  # a page that is still busy can lose the first key
        watched.page.keyboard.press("Control+A")
        watched.page.keyboard.type(text)
        if watched.page.evaluate("document.activeElement.value") == text:
            return
    raise AssertionError(f"The field does not take {text!r}.")


def tick(watched: Watched, name: str) -> None:
    """Tab to a box and tick it."""
    tab_to(watched, name)
    watched.page.keyboard.press("Space")
