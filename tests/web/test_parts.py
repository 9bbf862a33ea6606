"""What the faces share, without a browser."""

import asyncio
import re
from collections.abc import AsyncIterator
from importlib.resources import files
from urllib.parse import unquote

import pytest

from veilmart.errors import FormInvalid, Misuse, NotInitialised, PageOutdated
from veilmart.limits import WEB_FORM_FIELDS_MAX, WEB_OFFER_SECONDS
from veilmart.web import assets
from veilmart.web.charts import bar_chart
from veilmart.web.forms import _fields
from veilmart.web.jobs import Jobs, Report
from veilmart.web.names import OpaqueNames
from veilmart.web.offers import Offers
from veilmart.web.qr_codes import qr_picture
from veilmart.web.rendering import Pages, format_duration, format_size
from veilmart.web.stream import Streams, event_text

# ---- text of strangers ----------------------------------------------------------------------


def drawn(text: str) -> str:
    pages = Pages("veilmart", "tests.web", ())
    return pages.part("stranger.html", text=text)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onfocus='alert(1)",
        "{{ 7*7 }}",
        "</bdi></title><svg/onload=alert(1)>",
    ],
)
def test_markup_in_a_strangers_text_is_text(text: str) -> None:
    html = drawn(text)
    inside = re.search(r'title="(.*?)"><bdi>(.*)</bdi></p>', html, re.DOTALL)
    assert inside is not None
    assert "<" not in inside[1] and "'" not in inside[1]
    assert "<" not in inside[2] and "49" not in html


def test_direction_and_control_characters_are_taken_out() -> None:
    html = drawn("in\u202evoice\u2066fdp\u0000.exe\x1b[31m")
    assert "invoicefdp.exe" in html
    assert not set(html) & set("\u202e\u2066\x00\x1b")


def test_notices_stand_above_unlocked_pages_as_text_and_on_no_locked_one() -> None:
    pages = Pages("veilmart", "tests.web", ())
    pages.show_notices(lambda: ["Ends soon: <b>1 token"])
    assert "Ends soon: &lt;b&gt;1 token" in pages.part("frame.html", here="/")
    assert "Ends soon" not in pages.part("bare.html", here="/")


# ---- assets ---------------------------------------------------------------------------------


def test_files_of_others_are_those_that_are_noted_with_their_licence() -> None:
    loaded = assets.load_assets()
    for entry in assets.foreign_assets():
        assert entry.file in loaded
        assert (files(assets.__name__) / entry.licence_file).is_file()
        assert entry.origin and entry.licence


def test_scripts_come_as_one_file_so_that_extensions_are_there_when_the_page_is_read() -> None:
    loaded = assets.load_assets()
    bundle = loaded[assets.BUNDLE].content
    places = [bundle.index(loaded[name].content) for name in ("htmx.js", "hx-sse.js", "face.js")]
    assert places == sorted(places)
    frame = Pages("veilmart", "tests.web", ()).part("closed.html", here="")
    assert re.findall(r'<script src="([^"]+)"', frame) == [f"/assets/{assets.BUNDLE}"]


def test_a_changed_file_of_others_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = assets.foreign_assets()
    wrong = [assets.Foreign(e.file, "0" * 64, e.origin, e.licence, e.licence_file) for e in noted]
    monkeypatch.setattr(assets, "foreign_assets", lambda: wrong)
    with pytest.raises(Misuse):
        assets.load_assets()


# ---- names, offers, forms -------------------------------------------------------------------


def test_names_of_addresses_tell_nothing_and_differ_between_processes() -> None:
    first, second = OpaqueNames(b"1" * 32), OpaqueNames(b"2" * 32)
    root = b"\xab" * 32
    name = first.name("product", root)
    assert name == first.name("product", root) and root.hex() not in name
    assert name != second.name("product", root)
    assert first.value("product", name) == root
    for kind, wrong in (("order", name), ("product", "0" * 24), ("product", "")):
        with pytest.raises(PageOutdated):
            first.value(kind, wrong)


def test_an_offer_is_acted_on_once_however_often_it_is_confirmed() -> None:
    done: list[str] = []

    def act(value: str) -> str:
        done.append(value)
        return f"/jobs/{len(done)}"

    offers: Offers[str] = Offers(lambda: 0.0)
    nonce = offers.show("5.00")
    assert [offers.confirm(nonce, act) for _ in range(3)] == ["/jobs/1"] * 3
    assert done == ["5.00"]


def test_an_offer_that_failed_can_be_confirmed_again() -> None:
    def fail(value: str) -> str:
        raise NotInitialised

    offers: Offers[str] = Offers(lambda: 0.0)
    nonce = offers.show("5.00")
    with pytest.raises(NotInitialised):
        offers.confirm(nonce, fail)
    assert offers.confirm(nonce, lambda value: value) == "5.00"


def test_an_old_or_invented_offer_is_refused() -> None:
    now = [0.0]
    offers: Offers[str] = Offers(lambda: now[0])
    nonce = offers.show("5.00")
    with pytest.raises(PageOutdated):
        offers.confirm("invented", str)
    now[0] += WEB_OFFER_SECONDS + 1
    with pytest.raises(PageOutdated):
        offers.confirm(nonce, str)


@pytest.mark.parametrize("body", [b"\xff=1", b"a=%ff", b"&".join([b"a=1"] * 500)])
def test_forms_that_cannot_be_read_are_refused(body: bytes) -> None:
    assert WEB_FORM_FIELDS_MAX < 500
    with pytest.raises(FormInvalid):
        _fields(body)


# ---- charts and numbers ---------------------------------------------------------------------


def test_a_chart_takes_the_texts_colour_and_has_its_numbers() -> None:
    chart = bar_chart("Sales", ("Day", "Sales"), [("<b>1", 3), ("2", 0)], lambda n: f"{n}.00")
    assert "currentColor" in chart.svg and "<b>" not in chart.svg
    assert "style=" not in chart.svg
    assert [bar.shown for bar in chart.bars] == ["3.00", "0.00"]
    assert "rect" not in bar_chart("Sales", ("Day", "Sales"), []).svg


def test_sizes_and_durations_for_people() -> None:
    assert [format_size(n) for n in (0, 1023, 1024, 5 << 20)] == [
        "0 bytes",
        "1023 bytes",
        "1.0 KiB",
        "5.0 MiB",
    ]
    assert [format_duration(n) for n in (5, 119, 120, 7200, 86400 * 3)] == [
        "5 s",
        "119 s",
        "2 min",
        "2 h",
        "3 days",
    ]


# ---- jobs and streams -----------------------------------------------------------------------


async def test_a_job_goes_on_unseen_and_is_not_started_twice() -> None:
    jobs, go_on = Jobs(), asyncio.Event()

    async def work(report: Report) -> str:
        report.step("Half way")
        report.advance(1, 2, "files")
        await go_on.wait()
        report.leads_to("/library", "Library")
        return "result"

    job = jobs.start("import", "Import", work)
    assert jobs.start("import", "Import", work) is job
    await job.wait_changed(0)
    await asyncio.sleep(0)
    assert job.measure is not None and job.measure.percent == 50 and job.step == "Half way"
    go_on.set()
    assert job.task is not None
    await job.task
    assert (job.state, job.result) == ("done", "result")
    assert job.next_step is not None and job.next_step.href == "/library"
    assert jobs.start("import", "Import", work) is not job


async def test_a_job_that_fails_keeps_its_typed_error_and_hides_any_other() -> None:
    async def typed(report: Report) -> None:
        raise NotInitialised("here")

    async def untyped(report: Report) -> None:
        raise ValueError("secret")

    jobs = Jobs()
    for work, code in ((typed, NotInitialised.code), (untyped, None)):
        job = jobs.start(work.__name__, "", work)
        assert job.task is not None
        await job.task
        assert job.state == "failed" and job.error is not None
        assert "secret" not in job.error.explain()
        assert code in (None, job.error.code)


async def test_reports_from_threads_arrive_before_the_end() -> None:
    jobs = Jobs()

    async def work(report: Report) -> None:
        await asyncio.to_thread(report.line, "from a thread")

    job = jobs.start("x", "", work)
    assert job.task is not None
    await job.task
    assert list(job.lines) == ["from a thread"]


def test_an_event_keeps_to_its_lines() -> None:
    assert event_text("<p>\n</p>") == b"data: <p>\ndata: </p>\n\n"
    assert event_text("", "done") == b"event: done\ndata: \n\n"


async def test_streams_end_at_once_when_the_face_stops_or_the_session_locks() -> None:
    async def never() -> AsyncIterator[str]:
        yield "first"
        await asyncio.Event().wait()

    stop = asyncio.Event()
    streams = Streams(stop)
    events = streams._events(never(), lambda: True)
    assert await anext(events) == b"data: first\n\n"
    ending = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    stop.set()
    assert await asyncio.wait_for(ending, 1) == event_text("", "done")
    locked = Streams(asyncio.Event())._events(never(), lambda: False)
    assert await anext(locked) == event_text("", "done")


def test_a_qr_code_has_a_white_ground_of_its_own_for_dark_pages() -> None:
    picture = unquote(qr_picture("veilmart://example.org/a/b", scale=4))
    assert re.search(r"<path[^>]* fill=.(#fff|white)", picture), picture[:300]
