"""Weights by name: installed whole, verified every time, from the package or a server, by many at once."""

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nmflowgan_cli.checkpoints import hub
from nmflowgan_cli.errors import ConditionError, WeightsError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.synthesis.weights import _knowing

CONTENT = bytes(range(256)) * 400
FIELDS = {"terms": "any", "url": None, "camera_names": {"X1": "Xylo Eins"}}


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a word; /short breaks off half way."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_GET(self) -> None:
        if self.path != "/short":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])
        return None


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of `folder`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package's folder of weights with two files, whose registry takes the place of the real one."""
    monkeypatch.delenv(hub.OFFLINE_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "package"
    folder.mkdir()
    entries = []
    for name, cameras in (("one", {"IP": [100, 800], "S6": [100]}), ("two", {"S6": [100], "G4": [100], "X1": [50]})):
        path = folder / f"{name}.safetensors"
        path.write_bytes(CONTENT + name.encode())
        facts = {
            "name": name,
            "file": path.name,
            "sha256": sha256(path),
            "cameras": cameras,
            "size": path.stat().st_size,
        }
        entries.append({**FIELDS, **facts})
    (folder / "registry.json").write_text(json.dumps({"weights": entries}))
    known = hub.read_registry(folder / "registry.json")
    monkeypatch.setattr(hub, "registry", lambda: known)
    return folder


def remote(url: str) -> tuple[hub.Entry, hub.Registry]:
    """The first entry as one that is downloaded, in a registry whose package has no files."""
    entry = replace(hub.registry().entry("one"), url=url)
    return entry, hub.Registry((entry,), Path("/nonexistent"))


def test_packaged_weights_are_installed_into_the_cache(source, own_cache):
    path = hub.resolve("one")
    assert path == own_cache / "one.safetensors"
    assert path.read_bytes() == (source / "one.safetensors").read_bytes()
    assert list(own_cache.iterdir()) == [path]


def test_the_flag_goes_before_the_variable_and_that_before_the_platform(source, own_cache, tmp_path, monkeypatch):
    flag = tmp_path / "flag" / "deep"
    assert hub.resolve("one", cache_dir=flag).parent == flag
    assert hub.cache_dir() == own_cache
    monkeypatch.delenv(hub.CACHE_VARIABLE)
    assert hub.cache_dir().name == "nmflowgan"


def test_a_path_is_used_as_it_is(source):
    path = source / "two.safetensors"
    assert hub.resolve(path) == hub.resolve(str(path)) == path


def test_unknown_names_and_absent_files_list_what_exists(source):
    for wrong in ("three", "three.safetensors", "folder/three"):
        with pytest.raises(WeightsError, match=r"three.*one, two"):
            hub.resolve(wrong)


@pytest.mark.parametrize("content", [b"", CONTENT[:100], b"x" * len(CONTENT)])
def test_a_damaged_file_in_the_cache_is_replaced(source, content):
    path = hub.resolve("one")
    path.write_bytes(content)
    assert hub.state(hub.registry().entry("one")) == "differs"
    assert hub.resolve("one").read_bytes() == (source / "one.safetensors").read_bytes()


def test_a_wrong_source_is_refused_and_nothing_installed(source, own_cache):
    (source / "one.safetensors").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="came with this installation has sha256"):
        hub.resolve("one")
    (source / "two.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"two\.safetensors did not come"):
        hub.resolve("two")
    assert list(own_cache.iterdir()) == []


def test_downloads_are_verified_and_kept(source, own_cache):
    with served(source) as address:
        path = hub.install(*remote(f"{address}/one.safetensors"))
    assert path.read_bytes() == (source / "one.safetensors").read_bytes()
    entry, registry = remote("http://127.0.0.1:9/gone")
    assert hub.install(entry, registry) == path, "what is in the cache needs no network"
    assert list(own_cache.iterdir()) == [path]


@pytest.mark.parametrize("place", ["two.safetensors", "absent", "short"])
def test_a_wrong_absent_or_broken_download_installs_nothing(source, own_cache, place):
    with served(source) as address, pytest.raises(WeightsError, match=f"weights one.*{place}"):
        hub.install(*remote(f"{address}/{place}"))
    assert list(own_cache.iterdir()) == []


def test_no_server_is_an_error_of_one_line(source):
    with pytest.raises(WeightsError, match="cannot download weights one"):
        hub.install(*remote("http://127.0.0.1:9/one.safetensors"))


def test_offline_forbids_downloads_but_not_packaged_weights(source, tmp_path, monkeypatch):
    monkeypatch.setenv(hub.OFFLINE_VARIABLE, "1")
    with pytest.raises(WeightsError, match=r"NMFLOWGAN_OFFLINE forbids.*fetch one"):
        hub.install(*remote("http://127.0.0.1:9/one.safetensors"))
    assert hub.resolve("one").is_file()
    monkeypatch.setenv(hub.OFFLINE_VARIABLE, "0")
    with pytest.raises(WeightsError, match="forbids"):
        hub.install(*remote("http://127.0.0.1:9/two.safetensors"), tmp_path / "other", offline=True)
    assert not (tmp_path / "other").exists()


def test_without_a_cache_packaged_weights_are_used_where_they_lie(source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert hub.resolve("one", cache_dir=tmp_path / "file" / "cache") == source / "one.safetensors"
    with pytest.raises(WeightsError, match="NMFLOWGAN_CACHE"):
        hub.install(hub.registry().entry("one"), hub.registry(), tmp_path / "file" / "cache")


def test_a_damaged_cache_that_cannot_be_written_is_not_used(source, tmp_path):
    cache = tmp_path / "cache"
    (cache / "one.safetensors").mkdir(parents=True)
    assert hub.resolve("one", cache_dir=cache) == source / "one.safetensors"


def test_a_full_disk_leaves_nothing_in_the_cache(source, own_cache):
    """Files beyond a size cannot be written."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    try:
        with pytest.raises(WeightsError, match=r"cannot write to the cache .*: File too large"):
            hub.install(hub.registry().entry("one"), hub.registry())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list(own_cache.iterdir()) == []


def test_many_processes_at_once_each_find_whole_weights(source, own_cache):
    (own_cache / "one.safetensors").write_bytes(b"damaged")
    script = (
        "import sys; from pathlib import Path; from nmflowgan_cli.checkpoints import hub\n"
        "from nmflowgan_cli.files import sha256\n"
        "known = hub.read_registry(Path(sys.argv[1]))\n"
        "for _ in range(20): print(sha256(hub.install(known.entry('one'), known)))"
    )
    command = [sys.executable, "-c", script, str(source / "registry.json")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert {line for output in outputs for line in output} == {hub.registry().entry("one").sha256}
    assert [path.name for path in own_cache.iterdir()] == ["one.safetensors"]


def test_the_first_weights_that_know_all_cameras_are_taken(source):
    assert hub.for_cameras([]).name == hub.for_cameras(["S6"]).name == "one"
    assert hub.for_cameras(["LG G4"]).name == hub.for_cameras(["S6", "G4"]).name == "two"
    assert hub.for_cameras(["xylo"]).name == "two", "names of the registry count as the known ones do"


def test_an_unknown_camera_lists_those_of_all_weights(source):
    listed = r"'N6' is unknown \(known cameras: IP .*, S6 .*, G4 .*, X1 \(Xylo Eins\)"
    with pytest.raises(ConditionError, match=listed):
        hub.for_cameras(["N6"])


@pytest.mark.parametrize(
    ("cameras", "name"),
    [(["random"], "one"), (["G4"], "two"), (["S6,Random", "G4"], "two"), (["lg g4, S6"], "two"), (["S6", "IP"], "one")],
)
def test_without_a_name_the_cameras_of_the_command_line_decide(source, cameras, name):
    assert _knowing(cameras) == name


def test_cameras_that_no_weights_know_together_are_told_apart(source):
    with pytest.raises(ConditionError, match=r"no weights know all of IP, S6, G4 \(IP: one, S6: one and two, G4: two;"):
        hub.for_cameras(["IP", "S6", "G4"])


def test_without_weights_the_camera_error_says_how_to_give_some(monkeypatch):
    monkeypatch.setattr(hub, "registry", lambda: hub.Registry((), Path()))
    with pytest.raises(WeightsError, match="--weights"):
        hub.for_cameras(["IP"])


def test_the_registry_of_this_installation_is_sound():
    known = hub.registry()
    assert len(set(known.names)) == len(known.entries)
    for entry in known.entries:
        assert entry.cameras
        assert all(isos and list(isos) == sorted(isos) for isos in entry.cameras.values())
        if entry.url is None:
            path = known.folder / entry.file
            assert (path.stat().st_size, sha256(path)) == (entry.size, entry.sha256)


@pytest.mark.parametrize("text", ["", "[]", '{"weights": [{"name": "x"}]}', '{"weights": 3}'])
def test_a_broken_registry_is_a_named_error(tmp_path, text):
    (tmp_path / "registry.json").write_text(text)
    with pytest.raises(WeightsError, match=r"registry\.json"):
        hub.read_registry(tmp_path / "registry.json")
