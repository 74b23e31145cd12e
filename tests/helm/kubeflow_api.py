"""The API of Kubeflow Pipelines as its own description says: a real server, in a thread.

Paths, parameters, bodies and answers are those of ``kfp_server_api``, the client that is generated
from the API's description; pipelines are read as ``kfp.pipeline_spec`` says. What that does not say
(names are unique, a filter, several users) is made as the API does it.
"""

import datetime
import inspect
import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import kfp_server_api
import yaml
from google.protobuf import json_format
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec import pipeline_spec_pb2

PREFIX = "/apis/v2beta1"
PAGE = 2
"""Objects in a page at most: whoever reads the first alone is found out."""
_NATIVE = {"str": str, "bool": bool, "int": int, "float": (int, float), "object": object}
_WHOLE = {"max_concurrency", "interval_second"}
"""Numbers of 64 bits: in JSON a number, or a text that is one."""


class RefusedError(Exception):
    """The API answers with an error."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Operation:
    """One call that the API knows."""

    name: str
    method: str
    path: re.Pattern[str]
    parameters: frozenset[str]
    body: str
    """Model of the body; empty where there is none."""
    answer: str
    file: str
    """Name of the part that holds a file; empty where there is none."""


def operations() -> list[Operation]:
    """Everything that the generated client can call."""
    found = []
    for api in vars(kfp_server_api.api).values():
        for kind in vars(api).values() if inspect.ismodule(api) else ():
            if inspect.isclass(kind) and kind.__name__.endswith("Api"):
                found += [_operation(n, f) for n, f in vars(kind).items() if n.endswith("_info")]
    return found


def _operation(name: str, function: Any) -> Operation:
    text = inspect.getsource(function)
    ((path, method),) = re.findall(r"call_api\(\s*'([^']*)', '(\w+)'", text)
    body = re.findall(r"body_params = local_var_params\['(\w+)'\]", text)
    kinds = dict(re.findall(r":type (\w+): (\w+)", text))
    pattern = re.sub(r"\\{[^}]*\\}", "([^/:]+)", re.escape(path).replace("\\:", ":"))
    files = re.findall(r"local_var_files\['(\w+)'\]", text)
    return Operation(
        name.removesuffix("_with_http_info"),
        method,
        re.compile(pattern),
        frozenset(re.findall(r"query_params.append\(\('([^']*)'", text)),
        kinds[body[0]] if body else "",
        re.findall(r"response_type='(\w+)'", text)[0],
        files[0] if files else "",
    )


def check(kind: str, content: Any, where: str, asked: bool = True) -> None:
    """Hold JSON against a model: names, types, enumerations, and what an input needs.

    Args:
        kind: Of the model, as the description names it.
        content: The JSON.
        where: Said in the error.
        asked: Whether it is a request's, which sets no outputs.

    Raises:
        RefusedError: It is something else.
    """
    if kind.startswith("list["):
        _expect(isinstance(content, list), f"{where} is no list")
        for n, one in enumerate(content):
            check(kind[5:-1], one, f"{where}[{n}]", asked)
    elif kind.startswith("dict("):
        _expect(isinstance(content, dict), f"{where} is no object")
        for key, one in content.items():
            check(kind.partition(", ")[2][:-1], one, f"{where}.{key}", asked)
    elif kind == "datetime":
        datetime.datetime.fromisoformat(content)
    elif kind in _NATIVE:
        whole = where.rpartition(".")[2] in _WHOLE
        fits = str(content).isdigit() if whole else isinstance(content, _NATIVE[kind])
        _expect(fits, f"{where} is {content!r}: expected {kind}")
    else:
        _check_model(getattr(kfp_server_api, kind), content, where, asked)


def _check_model(model: Any, content: Any, where: str, asked: bool) -> None:
    allowed = getattr(model, "allowable_values", None)
    if allowed:
        _expect(content in allowed, f"{where} is {content!r}: expected one of {allowed}")
        return
    _expect(isinstance(content, dict), f"{where} is no object")
    named = {model.attribute_map[one]: one for one in model.openapi_types}
    unknown = sorted(set(content) - set(named))
    _expect(not unknown, f"{where} has {', '.join(unknown)}: known are {', '.join(named)}")
    for name, attribute in named.items():
        about = (getattr(model, attribute).__doc__ or "").split("\n")
        about = next((line.strip() for line in about[1:] if line.strip()), "")
        if asked and about.startswith("Required"):
            _expect(content.get(name), f"{where}.{name} is missing: {about}")
        if asked and about.startswith("Output"):
            _expect(name not in content, f"{where}.{name} is set: {about}")
        if name in content:
            check(model.openapi_types[attribute], content[name], f"{where}.{name}", asked)


def _expect(holds: Any, message: str) -> None:
    if not holds:
        raise RefusedError(400, message)


def pipeline_of(content: bytes) -> Any:
    """The spec of an uploaded pipeline.

    Raises:
        RefusedError: It is no pipeline, or what it asks of Kubernetes is nothing that is known.
    """
    documents = list(yaml.safe_load_all(content))
    _expect(1 <= len(documents) <= 2, f"{len(documents)} documents")
    try:
        spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
        if len(documents) == 2:
            asked = json_format.ParseDict(documents[1], pipeline_spec_pb2.PlatformSpec())
            on_kubernetes = asked.platforms["kubernetes"].deployment_spec
            for executor in on_kubernetes.executors.values():
                config = json_format.MessageToDict(executor)
                json_format.ParseDict(config, KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise RefusedError(400, f"no pipeline: {error}") from error
    return spec


class KubeflowApi:
    """What Kubeflow holds."""

    def __init__(self, several_users: bool = False):
        """Hold nothing."""
        self.several_users = several_users
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.schedules: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self.away = 0
        """So many calls are answered with 503."""
        self._time = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    # pipelines

    def upload_pipeline(self, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        name, space = query["name"], query.get("namespace", "")
        self._space(space)
        for one in self.pipelines.values():
            if (one["name"], one["namespace"]) == (name, space):
                raise RefusedError(409, f"The pipeline {name} already exists in {space!r}")
        made = self._new("pipeline_id", name=name, display_name=name, namespace=space)
        made["description"] = query.get("description", "")
        spec = pipeline_of(body)
        self.pipelines[made["pipeline_id"]] = made
        self._version(made["pipeline_id"], name, spec)
        return made

    def upload_pipeline_version(self, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        pipeline, name = query["pipelineid"], query["name"]
        self._there(self.pipelines, pipeline)
        if any(v["pipeline_id"] == pipeline and v["name"] == name for v in self.versions.values()):
            raise RefusedError(409, f"The pipeline version {name} already exists")
        return self._version(pipeline, name, pipeline_of(body))

    def pipeline_service_get_pipeline(self, pipeline: str) -> dict[str, Any]:
        return self._there(self.pipelines, pipeline)

    def pipeline_service_list_pipelines(self, query: Mapping[str, str]) -> dict[str, Any]:
        # Without a namespace, what all users share.
        space = query.get("namespace", "")
        found = [one for one in self.pipelines.values() if one["namespace"] == space]
        return self._page("pipelines", found, query)

    def pipeline_service_list_pipeline_versions(
        self, pipeline: str, query: Mapping[str, str]
    ) -> dict[str, Any]:
        self._there(self.pipelines, pipeline)
        found = [one for one in self.versions.values() if one["pipeline_id"] == pipeline]
        return self._page("pipeline_versions", found, query)

    # experiments and schedules

    def experiment_service_create_experiment(self, body: Any) -> dict[str, Any]:
        space = body.get("namespace", "")
        self._space(space)
        _expect(bool(space) or not self.several_users, "namespace is empty: Kubeflow has users")
        made = self._new("experiment_id", **{**body, "namespace": space})
        self.experiments[made["experiment_id"]] = made
        return made

    def experiment_service_list_experiments(self, query: Mapping[str, str]) -> dict[str, Any]:
        space = query.get("namespace", "")
        _expect(bool(space) or not self.several_users, "namespace is empty: Kubeflow has users")
        found = [one for one in self.experiments.values() if one["namespace"] == space]
        return self._page("experiments", found, query)

    def recurring_run_service_create_recurring_run(self, body: Any) -> dict[str, Any]:
        experiment = self._there(self.experiments, body.get("experiment_id", ""))
        reference = body["pipeline_version_reference"]
        version = self._there(self.versions, reference["pipeline_version_id"])
        _expect(version["pipeline_id"] == reference["pipeline_id"], "of another pipeline")
        _expect(1 <= int(body["max_concurrency"]) <= 10, "max_concurrency: expected 1 to 10")
        cron = body["trigger"]["cron_schedule"]["cron"]
        _expect(len(cron.split()) == 6, f"cron is {cron!r}: expected six fields")
        self._check_parameters(version, body.get("runtime_config", {}).get("parameters", {}))
        made = self._new(
            "recurring_run_id", **body, namespace=experiment["namespace"], status="ENABLED"
        )
        self.schedules[made["recurring_run_id"]] = made
        return made

    def recurring_run_service_list_recurring_runs(self, query: Mapping[str, str]) -> dict[str, Any]:
        experiment = query.get("experiment_id", "")
        found = [o for o in self.schedules.values() if experiment in ("", o["experiment_id"])]
        return self._page("recurringRuns", found, query)

    def recurring_run_service_delete_recurring_run(self, run: str, query: Any) -> dict[str, Any]:
        self._there(self.schedules, run)
        del self.schedules[run]
        return {}

    def healthz_service_get_healthz(self) -> dict[str, Any]:
        return {"multi_user": self.several_users}

    # what they have in common

    def answer(
        self, operation: Operation, path: list[str], query: dict[str, str], body: Any, token: str
    ) -> Any:
        """Carry out a call, and hold what comes in and what goes out against the description."""
        self.calls.append(operation.name)
        self.tokens.add(token)
        if self.away:
            self.away -= 1
            raise RefusedError(503, "away")
        unknown = set(query) - operation.parameters
        _expect(not unknown, f"{operation.name} has no parameter {', '.join(sorted(unknown))}")
        given: list[Any] = list(path)
        if operation.parameters:
            given.append(query)
        if operation.body:
            check(operation.body, body, operation.body)
        if operation.body or operation.file:
            given.append(body)
        carry_out = getattr(self, operation.name, None)
        _expect(carry_out, f"{operation.name} is not played here")
        said = carry_out(*given)
        if operation.answer != "object":
            check(operation.answer, said, operation.answer, asked=False)
        return said

    def _version(self, pipeline: str, name: str, spec: Any) -> dict[str, Any]:
        made = self._new("pipeline_version_id", pipeline_id=pipeline, name=name, display_name=name)
        made["pipeline_spec"] = json_format.MessageToDict(spec)
        self.versions[made["pipeline_version_id"]] = made
        return made

    def _check_parameters(self, version: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        inputs = version["pipeline_spec"]["root"].get("inputDefinitions", {}).get("parameters", {})
        unknown = sorted(set(given) - set(inputs))
        _expect(not unknown, f"unknown parameters {unknown}")
        for name, about in inputs.items():
            optional = about.get("isOptional") or "defaultValue" in about
            _expect(name in given or optional, f"parameter {name} is missing and has no default")
            if name in given:
                kinds = {
                    "STRING": str, "BOOLEAN": bool, "NUMBER_INTEGER": int,
                    "NUMBER_DOUBLE": (int, float), "STRUCT": dict, "LIST": list,
                }  # fmt: skip
                fits = isinstance(given[name], kinds[about["parameterType"]])
                _expect(fits, f"parameter {name} is {given[name]!r}: {about['parameterType']}")

    def _space(self, space: str) -> None:
        _expect(self.several_users or not space, "In single-user mode, namespace must be empty")

    def _new(self, key: str, **content: Any) -> dict[str, Any]:
        self._time += datetime.timedelta(seconds=1)
        return {key: str(uuid.uuid4()), "created_at": self._time.isoformat(), **content}

    def _there(self, objects: Mapping[str, Any], name: str) -> Any:
        if name not in objects:
            raise RefusedError(404, f"{name!r} not found")
        return objects[name]

    def _page(self, key: str, found: list[Any], query: Mapping[str, str]) -> dict[str, Any]:
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", ()):
            # protobuf's JSON has both forms of a name.
            read = {
                re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", k): v for k, v in predicate.items()
            }
            if isinstance(read["operation"], int):  # and numbers of an enumeration
                known = kfp_server_api.V2beta1PredicateOperation.allowable_values
                read["operation"] = known[read["operation"]]
            check("V2beta1Predicate", read, "filter")
            _expect(read["operation"] == "EQUALS", "only EQUALS is played here")
            found = [one for one in found if one.get(read["key"]) == read["string_value"]]
        at = int(query.get("page_token") or 0)
        size = min(int(query.get("page_size") or PAGE), PAGE)
        more = str(at + size) if at + size < len(found) else ""
        return {key: found[at : at + size], "total_size": len(found), "next_page_token": more}


@contextmanager
def serving(api: KubeflowApi) -> Iterator[str]:
    """The address of the API, for as long as the context lasts."""
    known = operations()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, said = 200, self._answered(parts, data)
            except RefusedError as error:
                status, said = error.status, {"error": str(error), "code": 3}
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def do_DELETE(self) -> None:
            self._do()

        def _answered(self, parts: Any, data: bytes) -> Any:
            for one in known:
                match = one.path.fullmatch(parts.path) if one.method == self.command else None
                if match:
                    query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
                    path = [unquote(group) for group in match.groups()]
                    token = self.headers.get("Authorization", "")
                    return api.answer(one, path, query, self._body(one, data), token)
            raise RefusedError(404, f"{self.command} {parts.path} is no call of this API")

        def _body(self, operation: Operation, data: bytes) -> Any:
            if operation.file:
                head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
                for part in message_from_bytes(head + data).get_payload():
                    if part.get_param("name", header="Content-Disposition") == operation.file:
                        return part.get_payload(decode=True)
                raise RefusedError(400, f"no part {operation.file}")
            return json.loads(data) if operation.body else None

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
