"use strict";
// The person is there: tell it once a minute at most, so that the page is not locked under them.
// After ten idle minutes load the page again, which shows the lock instead of what was on it.
(() => {
  const IDLE_MS = 600 * 1000 + 2000;
  const TELL_MS = 60 * 1000;
  let told = Date.now();
  let timer = 0;
  const rest = () => {
    clearTimeout(timer);
    timer = setTimeout(() => location.reload(), IDLE_MS);
  };
  const seen = () => {
    rest();
    if (Date.now() - told < TELL_MS) return;
    told = Date.now();
    fetch("/seen", { method: "POST" }).catch(() => {});
  };
  for (const kind of ["keydown", "pointerdown"]) addEventListener(kind, seen, { passive: true });
  rest();
  // A form is sent once; the server would answer a second time with the first result.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent || event.defaultPrevented) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    for (const button of form.querySelectorAll("button[type=submit]")) {
      button.setAttribute("aria-busy", "true");
    }
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-busy");
    }
  });
})();
