"""Entity tags: the same answer is not sent twice, and another one is."""

from typing import Any


def again(caller: Any, path: str, tag: str) -> Any:
    return caller("GET", path, headers={"If-None-Match": tag})


def test_an_answer_that_one_has_is_not_sent_again(account, question) -> None:
    ann, rain = account("ann"), question()
    ann.forecast(rain, 0.3)
    for path in (f"/questions/{rain}", "/questions", f"/questions/{rain}/aggregate", "/sets"):
        first = ann.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('W/"')
        assert first.headers["cache-control"] == "private, no-cache"
        for held in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            same = again(ann, path, held)
            assert (same.status_code, same.content) == (304, b""), path
            assert same.headers["etag"] == tag
            assert same.headers["x-content-type-options"] == "nosniff"
        assert again(ann, path, '"other"').json().keys() == first.json().keys()


def test_an_answer_that_has_changed_is_sent(account, question) -> None:
    ann, rain = account("ann"), question()
    path = f"/questions/{rain}"
    tag = ann.get(path).headers["etag"]
    ann.forecast(rain, 0.3)
    changed = again(ann, path, tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_errors_and_writes_have_no_tag_and_are_answered_as_ever(account, question) -> None:
    ann, rain = account("ann"), question()
    missing = again(ann, "/questions/9999", "*")
    assert (missing.status_code, "etag" in missing.headers) == (404, False)
    body = {"probability": 0.3}
    done = ann.post(f"/questions/{rain}/forecasts", body, headers={"If-None-Match": "*"})
    assert (done.status_code, "etag" in done.headers) == (201, False)
