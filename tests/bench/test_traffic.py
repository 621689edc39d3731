"""The requests are the same in every run, and look like what browsers send."""

from pathlib import Path

from ops.bench import traffic


def test_the_same_seed_gives_the_same_requests() -> None:
    first, second = traffic.visits(["a"], 100), traffic.visits(["a"], 100)

    assert first == second
    assert first != traffic.visits(["a"], 100, seed=8)


def test_visits_are_clicks_with_sub_ids_and_some_pixels() -> None:
    made = traffic.visits(["a", "b"], 500)

    pixels = [each for each in made if each.path.startswith("/p/")]
    clicks = [each for each in made if each.path.startswith("/r/")]
    assert len(pixels) + len(clicks) == 500
    assert 20 < len(pixels) < 100
    assert all("sub1=" in each.path for each in clicks)
    assert all("User-Agent" in each.headers for each in made)


def test_targets_survive_their_file(tmp_path: Path) -> None:
    made = traffic.visits(["a"], 10)

    traffic.save(made, tmp_path / "targets.json")

    assert traffic.read(tmp_path / "targets.json") == made


def test_a_body_is_sent_with_its_length() -> None:
    wire = traffic.Target("/e/a", "POST", {"Content-Type": "text/plain"}, "né").wire("h")

    assert wire.startswith(b"POST /e/a HTTP/1.1\r\nHost: h\r\n")
    assert wire.endswith("Content-Length: 3\r\n\r\nné".encode())
