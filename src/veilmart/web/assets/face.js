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
// Files are sent in parts of 8 MiB, each at the offset that the program has stored, so that an
// upload that was cut off goes on. The page is loaded again when the last file is there.
(() => {
  const PART = 8 * 1024 * 1024;
  const zone = document.querySelector("[data-upload]");
  if (!zone) return;
  const bar = zone.querySelector("progress");
  const said = zone.querySelector("[data-said]");
  const answer = async (response) => {
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  };
  const send = async (file) => {
    const form = new URLSearchParams({
      name: file.name, size: String(file.size), changed: String(file.lastModified),
    });
    let state = await answer(await fetch("/uploads", { method: "POST", body: form }));
    while (state.offset < file.size) {
      const part = file.slice(state.offset, state.offset + PART);
      const address = `/uploads/${state.upload}?offset=${state.offset}`;
      state = await answer(await fetch(address, { method: "PUT", body: part }));
      bar.value = state.offset / file.size;
    }
  };
  const sendAll = async (files) => {
    bar.hidden = false;
    try {
      for (const file of files) {
        said.textContent = `Uploading ${file.name}`;
        bar.value = 0;
        await send(file);
      }
      location.reload();
    } catch {
      said.textContent = "The upload stopped. Choose the same files again: it goes on from there.";
    }
  };
  zone.querySelector("[data-files]").addEventListener("change", (event) => {
    sendAll(event.target.files);
  });
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    sendAll(event.dataTransfer.files);
  });
})();
