"""The API's document and its page; and requests made up from the document never break it."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from litestar.testing import TestClient

from service.app import create_app
from service.settings import Settings
from service.web.problems import ProblemDetails

READS = {"400", "401", "404", "422", "429", "503"}
WRITES = READS | {"403", "409", "413", "415"}
# Statuses of the API that Metaculus's clients know: a conflict is a method that is not allowed, and
# what a body says is never missing or invalid, but a bad request.
METACULUS_READS = READS - {"422"}
METACULUS_WRITES = (METACULUS_READS - {"404"}) | {"403", "405", "413", "415"}
WITHOUT_A_TOKEN = {"/api/v1/registrations", "/api/v1/renewals", "/api/v1/tokens"}
METHODS = {"get", "post", "delete", "put", "patch"}


def document() -> dict[str, Any]:
    return create_app(Settings()).openapi_schema.to_schema()


def operations(schema: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


@pytest.fixture
def page_client() -> Any:
    with TestClient(create_app(Settings(database_url="sqlite:///never-opened.db"))) as client:
        yield client


def test_the_document_is_openapi_3_1_and_is_served_to_everyone(page_client) -> None:
    served = page_client.get("/schema/openapi.json")
    assert served.status_code == 200
    assert served.json()["openapi"].startswith("3.1")
    assert served.json()["paths"].keys() == document()["paths"].keys()


def test_every_endpoint_says_what_it_does_and_how_it_fails() -> None:
    schema = document()
    found = operations(schema)
    routes = {
        (method.lower(), re.sub(r":\w+}", "}", route.path))
        for route in create_app(Settings()).routes
        for method in getattr(route, "methods", ())
        if method not in {"OPTIONS", "HEAD"}
    }
    assert {one for one in routes if one[1].startswith("/api/")} <= found.keys()
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    for (method, path), operation in found.items():
        if not path.startswith("/api/"):
            continue
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"]
        assert operation.get("security") == (None if path in WITHOUT_A_TOKEN else [{"token": []}])
        errors = {status for status in operation["responses"] if status >= "400"}
        theirs = path.startswith("/api/metaculus/")
        reads, writes = (METACULUS_READS, METACULUS_WRITES) if theirs else (READS, WRITES)
        more = set() if theirs else {"403", "409"}
        assert reads <= errors <= reads | more if method == "get" else errors == writes
        for status in errors:
            (kind, content), *_ = operation["responses"][status]["content"].items()
            assert kind == "application/problem+json"
            shape = "Refusal" if theirs else "ProblemDetails"
            assert content["schema"] == {"$ref": f"#/components/schemas/{shape}"}
            if not theirs:
                told = msgspec.convert(content["example"], ProblemDetails)
                assert str(told.status) == status
                assert told.title == HTTPStatus(told.status).phrase
        for sent in operation.get("requestBody", {"content": {}})["content"].values():
            assert theirs or sent["example"], (method, path)
        for parameter in operation.get("parameters", []):
            assert "description" in parameter, (path, parameter)
            assert parameter["description"]


def test_the_document_names_every_type_that_a_file_may_have() -> None:
    paths = document()["paths"]
    tables = {"text/csv", "application/vnd.apache.parquet"}

    def kinds(path: str) -> set[str]:
        return set(paths[path]["get"]["responses"]["200"]["content"])

    assert kinds("/api/v1/tasks/{task_id}/file") == tables | {"application/zip"}
    assert kinds("/api/v1/account/exports/{what}") == tables
    assert kinds("/api/v1/sets/{slug}/exports/forecasts") == {"application/zip"}


def test_the_document_is_valid() -> None:
    MADE_UP.validate()


def test_an_error_has_the_shape_that_the_document_says(client) -> None:
    said = client.get("/api/v1/sets").json()
    shape = document()["components"]["schemas"]["ProblemDetails"]
    assert set(shape["required"]) <= said.keys() <= shape["properties"].keys()


def test_the_page_of_the_document_loads_everything_from_this_service(page_client) -> None:
    page = page_client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r"""<[^>]+\b(?:src|href)=["']([^"']+)["']""", page.text)
    assert {"script", "link"} <= set(re.findall(r"<(\w+)[^>]+(?:src|href)=", page.text))
    for address in loaded:
        assert urlsplit(address)[:2] == ("", "")
        served = page_client.get(address)
        assert served.status_code == 200, address
        assert served.content
    styles = page_client.get("/documentation/swagger-ui.css").text
    assert not re.search(r"@import|url\(\s*[\"']?https?:", styles)


MADE_UP = schemathesis.openapi.from_dict(document())
TRIED = [
    operation
    for operation in (found.ok() for found in MADE_UP.get_all_operations())
    if operation.path.startswith("/api/")
    and (
        operation.method == "get"
        or operation.path.endswith("/forecasts")
        or operation.path.startswith("/api/metaculus/")
    )
]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_requests_made_up_from_the_document_never_break_the_service(
    client, account, question, mode: schemathesis.GenerationMode
) -> None:
    """On PostgreSQL, which can hold less than SQLite; test_contract.py asks SQLite everything."""
    ann, rain = account("ann"), question()
    answered: dict[str, set[int]] = {}

    def ask(case: schemathesis.Case) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:
            known = {"question_id": rain, "post_id": rain, "slug": "tests"}
            known["forecaster_id"] = ann.id
            case.path_parameters.update(
                {name: known[name] for name in case.path_parameters if name in known}
            )
        sent = case.as_transport_kwargs()
        sent["headers"] = {
            name: value
            for name, value in sent["headers"].items()
            if name in {"Content-Type", "Idempotency-Key"} and str(value).isascii()
        } | {"Authorization": f"Bearer {ann.token}"}
        sent["content"] = sent.pop("data", None)
        try:
            request = client.build_request(**sent)
        except (httpx.InvalidURL, TypeError, ValueError):
            return
        answer = client.send(request, follow_redirects=False)
        answered.setdefault(case.operation.label, set()).add(answer.status_code)
        assert answer.status_code < 500, (str(request.url), request.content, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

    for operation in TRIED:
        run = given(operation.as_strategy(generation_mode=mode))(ask)
        run = settings(
            max_examples=12,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(run)
        run()
    assert len(answered) == len(TRIED)
    if mode is schemathesis.GenerationMode.POSITIVE:
        succeeded = {name for name, statuses in answered.items() if min(statuses) < 300}
        assert "POST /api/v1/questions/{question_id}/forecasts" in succeeded
        assert len(succeeded) > len(TRIED) / 2


def test_operations_have_short_ids_from_which_clients_make_names() -> None:
    ids = [operation["operationId"] for operation in operations(document()).values()]
    assert {"questions_list", "questions_get", "question_forecasts_submit"} <= set(ids)
    assert [one for one in ids if not re.fullmatch(r"[a-z_]{2,40}", one)] == []
