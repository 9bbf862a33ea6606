"""What deploy/ holds works: units, nginx in front, status, logs, and an orderly stop."""

import configparser
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs import Program
from tests.support.real_market import admit, run, serving, wait_for
from veilmart.cli import build_app

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: unit.name)
def test_units_run_commands_that_exist(unit: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    words = parser["Service"]["ExecStart"].split()
    assert words[0].endswith("/veilmart")
    _, bound, _ = build_app().parse_args(words[1:], print_error=False, exit_on_error=False)
    assert bound is not None


def container_steps() -> list[tuple[str, str]]:
    """(instruction, its words) of deploy/Containerfile; continued lines are one."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    steps = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, " ".join(rest.split())) for name, _, rest in steps]


def test_the_container_file_copies_what_is_there() -> None:
    for name, words in container_steps():
        if name == "COPY" and not words.startswith("--from"):
            for source in words.split()[:-1]:
                assert (DEPLOY.parent / source).exists(), source


def test_the_container_file_names_stages_files_and_commands_that_exist() -> None:
    steps = container_steps()
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "STOPSIGNAL"}
    assert {name for name, _ in steps} == known | {"ENTRYPOINT", "CMD"}
    stages = [words.rpartition(" AS ")[2] for name, words in steps if "AS" in words.split()]
    for name, words in steps:
        if name == "COPY" and words.startswith("--from="):
            stage, source, target = words.removeprefix("--from=").split()
            assert stage in stages and source == target == "/opt/veilmart"
    once = dict(steps)
    environment = dict(pair.split("=", 1) for pair in once["ENV"].split())
    assert environment["VEILMART_HOME"] == once["VOLUME"] and once["STOPSIGNAL"] == "SIGTERM"
    user = re.search(r"useradd .*--home-dir (\S+) .*?(\w+)$", once["RUN"])
    assert user and user.groups() == (once["VOLUME"], once["USER"])
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    (program,) = json.loads(once["ENTRYPOINT"])
    assert project["scripts"][program] == "veilmart.cli:main"
    comment = re.search(
        r"podman run .* veilmart (.+)$", (DEPLOY / "Containerfile").read_text(), re.M
    )
    assert comment
    for words in (json.loads(once["CMD"]), comment[1].split()):  # type: ignore[assignment]
        _, bound, _ = build_app().parse_args(words, print_error=False, exit_on_error=False)
        assert bound is not None


@pytest.mark.long
def test_each_step_of_the_container_file_runs_by_hand(tmp_path: Path) -> None:
    """What an engine would do, in a fresh folder; this Python instead of the image's."""
    where = {"/opt/veilmart": str(tmp_path / "opt"), "/src": str(tmp_path / "src")}

    def here(words: str) -> str:
        for place, other in where.items():
            words = words.replace(place, other)
        return words

    steps = container_steps()
    source = tmp_path / "src"
    source.mkdir()
    for name, words in steps[: [name for name, _ in steps].index("FROM", 1)]:
        if name == "COPY":
            *names, target = words.split()
            for each in names:
                place = source / target if len(names) == 1 else source / each
                place.parent.mkdir(parents=True, exist_ok=True)
                origin = DEPLOY.parent / each
                (shutil.copytree if origin.is_dir() else shutil.copy)(origin, place)
        elif name == "RUN":
            command = here(words).replace("python -m venv", f"{sys.executable} -m venv")
            done = subprocess.run(
                ["sh", "-ec", command], cwd=source, check=False, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    environment = {"VEILMART_HOME": str(tmp_path / "home"), "PATH": f"{tmp_path / 'opt/bin'}:/bin"}
    for words in (["--help"], ["broker", "init"], ["broker", "audit", "--json"]):  # type: ignore[assignment]
        done = subprocess.run(
            ["veilmart", *words], env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_status_and_logs_of_running_servers(tmp_path: Path) -> None:
    with serving_status(tmp_path, "broker") as (port, log):
        assert get(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
        status, metrics = get(f"http://127.0.0.1:{port}/metrics")
        assert status == 200 and "veilmart_broker_logins_total 0" in metrics
        assert "veilmart_broker_merchants 0" in metrics
        lines = [json.loads(line) for line in log.read_text().splitlines() if line[0] == "{"]
        assert lines[0]["event"] == "Listening" and lines[0]["host"] == "[str]"


@contextmanager
def serving_status(home: Path, role: str) -> Iterator[tuple[int, Path]]:
    """`run --log --status-port 0`; yields the status port and where standard error goes."""
    log = home / "status.log"
    with log.open("wb") as stream:
        words = (role, "run", "--port", "0", "--status-port", "0", "--log")
        env = {**os.environ, "VEILMART_HOME": str(home)}
        process = Program(*words, env=env, stderr=stream)
    try:
        port = int(wait_for(log, "Status on 127.0.0.1:"))
        wait_for_text(log, "Listening")
        yield port, log
    finally:
        assert process.stop() == 0


def wait_for_text(log: Path, text: str) -> None:
    ends = time.monotonic() + 20
    while text not in log.read_text():
        assert time.monotonic() < ends, log.read_text()
        time.sleep(0.05)


@contextmanager
def nginx(folder: Path, broker_port: int) -> Iterator[int]:
    """Debian's nginx with deploy/nginx.conf; other ports and certificate, and plain HTTP too."""
    plain, secure = free_port(), free_port()
    subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True, timeout=300
    )
    site = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("127.0.0.1:8000", f"127.0.0.1:{broker_port}"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl; listen 127.0.0.1:{plain};"),
        ("/etc/ssl/veilmart/fullchain.pem", str(folder / "cert.pem")),
        ("/etc/ssl/veilmart/privkey.pem", str(folder / "key.pem")),
    ):
        assert old in site
        site = site.replace(old, new)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = (
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\n{site}\n}}\n"
    )
    (folder / "nginx.conf").write_text(main)
    server = subprocess.Popen(
        [str(NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    )
    try:
        ends = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", plain), 1).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < ends
                time.sleep(0.05)
        trusting = ssl._create_unverified_context()
        url = f"https://127.0.0.1:{secure}/v1/healthz"
        with urllib.request.urlopen(url, context=trusting, timeout=10) as answer:
            assert answer.status == 200
        assert get(f"http://127.0.0.1:{plain}/metrics")[0] == 404
        yield plain
    finally:
        server.terminate()
        server.wait(20)


needs_nginx = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None,
    reason="nginx or openssl is not installed (apt-get install nginx openssl)",
)


@pytest.mark.nginx
@needs_nginx
def test_debians_nginx_carries_what_the_broker_accepts(tmp_path: Path) -> None:
    with serving(tmp_path, "broker") as broker, nginx(tmp_path, port_of(broker)) as port:
        inside, outside = (
            urllib.request.urlopen(f"{url}/v1/descriptor", timeout=10).read()
            for url in (broker, f"http://127.0.0.1:{port}")
        )
        assert inside == outside
        for length, status in ((64 * 1024, 410), (3 * 1024 * 1024, 413)):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/request", data=bytes(length), method="POST"
            )
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)
            assert refused.value.code == status


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.long
@pytest.mark.nginx
@needs_nginx
def test_a_purchase_goes_through_debians_nginx(tmp_path: Path) -> None:
    goods = tmp_path / "goods"
    goods.mkdir()
    content = os.urandom(2_500_000)
    (goods / "sky.bin").write_bytes(content)
    (goods / "sea.bin").write_bytes(content[::-1])
    front = tmp_path / "nginx"
    front.mkdir()
    with (
        serving(tmp_path, "broker") as broker,
        nginx(front, int(broker.rpartition(":")[2])) as port,
    ):
        outside = f"http://127.0.0.1:{port}"
        assert run(tmp_path, "merchant", "init", "--broker", outside, "--yes").code == 0
        assert run(tmp_path, "merchant", "add", str(goods), "--price", "5.00").code == 0
        with serving(tmp_path, "merchant") as merchant:
            admit(tmp_path, merchant)
            link = run(tmp_path, "merchant", "link").out.splitlines()[0]
            assert f":{port}/" in link
            assert run(tmp_path, "customer", "join", link).code == 0
            typed = "long enough\n"
            assert run(tmp_path, "customer", "register", "anna", typed=typed).code == 0
            assert run(tmp_path, "broker", "credit", "anna", "10").code == 0
            done = run(tmp_path, "customer", "buy", "sky.bin", "--yes", "--out", "out")
            assert done.code == 0, done.err
    assert (tmp_path / "out" / "sky.bin").read_bytes() == content
    assert "anna" not in (front / "error.log").read_text()


def test_a_stop_finishes_what_is_under_way(tmp_path: Path) -> None:
    """SIGTERM while a login is being verified: the login is answered, then the broker ends."""
    with serving(tmp_path, "broker") as broker:
        assert run(tmp_path, "customer", "join", broker, "--yes").code == 0
        typed = "long enough\n"
        assert run(tmp_path, "customer", "register", "anna", typed=typed).code == 0
    code = STOPPING.replace("HOME", repr(str(tmp_path / "broker")))
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["asked", "stopping", "answered", "anna", "ended"]


STOPPING = """
import asyncio, os
from pathlib import Path
from veilmart.broker.home import open_home
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.server.running import serve_opened
from veilmart.broker.state import ignore
from veilmart.customer.connection.shopper import connect
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.terminal.clock import unix_now

async def main():
    stop, verifying = asyncio.Event(), asyncio.Event()
    slow = Passwords.verify

    async def verify(self, hashed, password, *owner):
        verifying.set()
        await asyncio.sleep(0.5)
        return await slow(self, hashed, password, *owner)

    Passwords.verify = verify
    port = asyncio.get_running_loop().create_future()
    with open_home(Path(HOME)) as opened:
        server = asyncio.create_task(serve_opened(
            opened, "127.0.0.1", 0, clock=unix_now, random=os.urandom, observe=ignore,
            stop=stop, on_started=port.set_result))
        wallet = open_wallet(Path(HOME).parent / "wallet", unix_now, os.urandom)
        address = f"http://127.0.0.1:{await port}"
        async with await connect(wallet, address, approve=lambda role, fresh: True) as shopper:
            asking = asyncio.create_task(shopper.account.login("anna", "long enough"))
            await verifying.wait()
            print("asked")
            stop.set()
            print("stopping")
            welcome = await asking
            print("answered", welcome.username)
        await server
        print("ended")
        await wallet.aclose()

asyncio.run(main())
"""
