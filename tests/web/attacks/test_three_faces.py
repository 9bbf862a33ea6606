"""Attacks on the three real faces, from a real browser: each act that moves money or destroys.

From every origin that a stranger's page can have, every way of making a browser send something is
tried with the exact request of the person's last click; nothing may change in any of the three
databases. The control at the end sends the same requests from the person's own page: each works,
once, however often it is sent.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, Route

from tests.web.attacker import Attacker
from tests.web.attacks.real_acts import ACTS, Act, ThreeFaces, three_faces
from tests.web.browser import CHROMIUM, FLAGS

REBOUND = "rebound.test"
# Chromium itself lets no page of elsewhere ask this machine; older browsers do, so it is told not
# to help.
UNHELPFUL = "--disable-features=LocalNetworkAccessChecks"
ORIGINS = (
    "another name",
    "a sibling name",
    "a name below its own",
    "another port of its name",
    "a file",
    "a rebound name",
)
WAYS_THAT_POST = 4  # of those below that every browser sends without asking first
ATTACK = """<!doctype html><script>
const acts = ACTS;
window.read = [];
const form = (act, more, where) => {
  const made = document.createElement("form");
  Object.assign(made, {method: "post", action: act.url}, more);
  for (const [name, value] of Object.entries(act.fields)) {
    const input = document.createElement("input");
    Object.assign(input, {name, value});
    made.append(input);
  }
  const frame = document.createElement("iframe");
  frame.name = made.target = where;
  document.body.append(frame, made);
  made.submit();
};
const quoted = text => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
const send = async (act, number) => {
  const body = () => new URLSearchParams(act.fields);
  const asked = `${act.url}?${body()}`;
  form(act, {}, `plain${number}`);
  form(act, {enctype: "text/plain"}, `text${number}`);
  const inputs = Object.entries(act.fields).map(
    ([name, value]) => `<input name="${quoted(name)}" value="${quoted(value)}">`).join("");
  const boxed = document.createElement("iframe");
  boxed.sandbox = "allow-forms allow-scripts";
  boxed.srcdoc = `<form method="post" action="${act.url}">${inputs}</form>`
    + "<script>document.forms[0].submit()<" + "/script>";
  document.body.append(boxed);
  const image = new Image();
  image.src = asked;
  const link = document.createElement("link");
  Object.assign(link, {rel: "prefetch", href: asked});
  document.head.append(link);
  navigator.sendBeacon(act.url, body());
  const options = [
    {mode: "no-cors", method: "POST", body: body()},
    {mode: "cors", method: "POST", body: body(), headers: {"hx-request": "true"}},
    {mode: "cors", method: "PUT", body: body()},
    {mode: "cors", method: "GET"},
  ];
  for (const one of options) {
    try {
      const answer = await fetch(act.url, {credentials: "include", ...one});
      window.read.push(await answer.text());
    } catch { }
  }
};
addEventListener("load", async () => {
  await Promise.all(acts.map(send));
  setTimeout(() => { document.title = "sent" }, 300);
});
</script><body></body>"""


@dataclass
class Fired:
    """What a page of the attacker brought about. sent: (method, path) as the browser sent them;
    answers: (path, status) as far as it let a page see that there was one.
    """

    before: dict[str, object]
    after: dict[str, object]
    read: list[str]
    sent: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Siege:
    """The person's three faces, the acts, and the attacker. fired: by the origin of its page."""

    faces: ThreeFaces
    acts: dict[str, Act]
    attacker: Attacker
    rebound: Browser
    fired: dict[str, Fired] = field(default_factory=dict)

    def attack(self, origin: str, folder: Path) -> Fired:
        """Fire at every act from a page of that origin; once for all its cases."""
        if origin not in self.fired:
            self.fired[origin] = self._attack(origin, folder)
        return self.fired[origin]

    def _attack(self, origin: str, folder: Path) -> Fired:
        fired = Fired(self.faces.state(), {}, [])
        for role in self.faces.faces:
            acts = [act for act in self.acts.values() if act.face == role]
            self._from_one_page(origin, role, acts, fired, folder)
        fired.after = self.faces.state()
        return fired

    def _from_one_page(
        self, origin: str, role: str, acts: list[Act], fired: Fired, folder: Path
    ) -> None:
        aimed = self.faces.origin(role)
        if origin == "a rebound name":
            aimed = f"http://{REBOUND}:{self.faces.port(role)}"
        html = page_of(acts, aimed)
        context = self._context(origin, role)
        page = context.new_page()

        def path_of(url: str) -> str:
            return url.removeprefix(aimed).split("?")[0] if url.startswith(aimed) else ""

        def note(response: Response) -> None:
            fired.answers.append((path_of(response.url), response.status))

        page.on(
            "request", lambda request: fired.sent.append((request.method, path_of(request.url)))
        )
        page.on("response", note)
        page.goto(self._address(origin, role, html, aimed, page, folder))
        page.wait_for_function("document.title === 'sent'", timeout=20_000)
        fired.read += page.evaluate("window.read")
        page.close()

    def _context(self, origin: str, role: str) -> BrowserContext:
        """The person's own browser; for rebinding one whose resolver was lied to."""
        if origin != "a rebound name":
            return self.faces.context
        context = self.rebound.new_context()
        port = self.faces.port(role)
        stolen = [
            cookie
            for cookie in self.faces.context.cookies(self.faces.origin(role))
            if cookie["name"] == f"veilmart-{port}"
        ]
        assert stolen
        value = stolen[0]["value"]
        where = f"http://{REBOUND}:{port}/"
        context.add_cookies([{"name": f"veilmart-{port}", "value": value, "url": where}])
        return context

    def _address(
        self, origin: str, role: str, html: str, aimed: str, page: Page, folder: Path
    ) -> str:
        """Where the attacker's page is. A rebound one has the origin of the face's own port."""
        if origin == "a file":
            file = folder / f"{role}.html"
            file.write_text(html)
            return file.as_uri()
        if origin == "a rebound name":

            def first_answer(route: Route) -> None:
                route.fulfill(body=html, content_type="text/html")

            page.route("**/evil", first_answer)
            return f"{aimed}/evil"
        name = self.faces.name(role)
        host = {
            "another name": "127.0.0.1",
            "a sibling name": "evil.localhost",
            "a name below its own": f"evil.{name}",
            "another port of its name": name,
        }[origin]
        path = f"/{len(self.attacker.pages)}"
        self.attacker.pages[path] = html
        return f"{self.attacker.origin(host)}{path}"


def page_of(acts: list[Act], aimed: str) -> str:
    targets = [{"url": f"{aimed}{act.path}", "fields": act.fields} for act in acts]
    return ATTACK.replace("ACTS", json.dumps(targets).replace("</", "<\\/"))


@pytest.fixture(scope="module")
def siege(
    chromium: Browser, attacker: Attacker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Siege]:
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    rules = f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"
    rebound = chromium.browser_type.launch(
        executable_path=CHROMIUM, headless=True, args=[*FLAGS, rules, UNHELPFUL]
    )
    with three_faces(tmp_path_factory.mktemp("market"), context) as faces:
        yield Siege(faces, faces.prepare(), attacker, rebound)
    rebound.close()
    context.close()


@pytest.mark.parametrize("act", [name for name, _face in ACTS])
@pytest.mark.parametrize("origin", ORIGINS)
def test_an_act_of_a_real_face_is_not_done_from(
    siege: Siege, tmp_path: Path, origin: str, act: str
) -> None:
    fired = siege.attack(origin, tmp_path)
    assert fired.after == fired.before
    path = siege.acts[act].path
    print(
        fired.sent.count(("POST", path)),
        fired.sent.count(("GET", path)),
        [a for a in fired.answers if a[0] == path],
    )
    assert fired.sent.count(("POST", path)) >= WAYS_THAT_POST
    assert {status for where, status in fired.answers if where == path} == {403}
    assert not any("veilmart" in text or "nonce" in text for text in fired.read)


@pytest.mark.parametrize("role", ["customer", "merchant", "broker"])
def test_a_stolen_ticket_opens_no_real_face(siege: Siege, chromium: Browser, role: str) -> None:
    face = siege.faces.faces[role]
    thief = chromium.new_context()
    page = thief.new_page()
    answer = page.goto(f"{face.origin}/enter?ticket={face.ticket}")
    assert answer is not None and answer.status == 403
    assert thief.cookies() == [] and "Fingerprint" not in page.content()
    thief.close()


@pytest.mark.parametrize("act", [name for name, _face in ACTS])
def test_its_person_does_an_act_once_however_often_it_is_sent(siege: Siege, act: str) -> None:
    """The control: the very same requests, from a page of the face itself, three at a time."""
    chosen = siege.acts[act]
    page = siege.faces.pages[chosen.face].page
    before = siege.faces.state()
    done = until_still(siege, lambda: send_three(page, chosen), before)
    assert done != before
    again = until_still(siege, lambda: send_three(page, chosen), None)
    assert again == done


def send_three(page: Page, act: Act) -> None:
    statuses = page.evaluate(
        """async ([path, fields]) => {
          const one = () => fetch(path, {method: "POST", body: new URLSearchParams(fields)});
          return (await Promise.all([one(), one(), one()])).map(answer => answer.status);
        }""",
        [act.path, act.fields],
    )
    assert set(statuses) <= {200, 409, 410}, statuses


def until_still(
    siege: Siege, act: Callable[[], None], differs_from: dict[str, object] | None
) -> dict[str, object]:
    """The state after `act`, once it has changed (if it shall) and rests for half a second, with
    no purchase on its way.
    """
    act()
    ends = time.monotonic() + 30
    last, since = siege.faces.state(), time.monotonic()
    while time.monotonic() < ends:
        time.sleep(0.05)
        now = siege.faces.state()
        if now != last:
            last, since = now, time.monotonic()
        resting = time.monotonic() - since > 0.5 and not siege.faces.on_its_way()
        if resting and last != differs_from:
            break
    return last
