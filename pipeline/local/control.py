"""The switches of the embedded cloud: up, down, status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.bootstrap import operator
from pipeline.contracts.errors import ConfigurationError, UnauthenticatedError
from pipeline.contracts.stack import DEFAULT_TENANT, StackStatus
from pipeline.local.home import Home, LocalDeployment, Server
from pipeline.local.launch import end, start, stay, wait_for
from pipeline.local.processes import CREDENTIALS, REGION, ROOT

__all__ = ["DEFAULT_HOME", "down", "status", "up"]

DEFAULT_HOME = Path("~/.modeldrop")
STACK = "modeldrop"
TEMPLATE = ROOT / "template.yaml"
_PARAMETERS = {
    "MultiNode": "cpu",  # nodes are processes here, which cost nothing and share the one GPU, if any, badly
    "FargateWaitSeconds": "7200",  # jobs wait for each other here, and no other queue has more machines
}

Report = Callable[[str], None]


def up(
    *,
    home: Path | None = None,
    bind: str = "127.0.0.1",
    foreground: bool = False,
    allow_code: bool = False,
    report: Report = lambda text: None,
) -> StackStatus:
    """Start the server, or find the one that runs; deploy what has changed; return when it answers.

    ``allow_code``: a model.py that is dropped beside its data runs here, as the user that you are.
    With ``foreground`` it returns when the server has ended, which Ctrl-C does. Raises ConfigurationError when the
    server cannot start, runs the code of another folder, or the template cannot be deployed.
    """
    place = Home(home or DEFAULT_HOME)
    with place.starting():
        process, running = None, place.server()
        if running is None:
            report("starting the embedded cloud")
            process = start(place, bind)
        else:
            _check_code(place, running)
        server = wait_for(place, process)
        try:
            _deploy(place, server, report, model_code="none" if allow_code else "refused")
        except BaseException:
            if process is not None:  # half a stack is of no use; one that ran before is let run
                end(place, server)
            raise
    ready = status(home=place.path)
    if foreground:
        report(f"{ready.endpoint_url} answers; Ctrl-C ends it")
        stay(place, server)
    return ready


def down(*, home: Path | None = None, wipe: bool = False) -> bool:
    """End the server; its data stays unless ``wipe``. False when none ran."""
    place = Home(home or DEFAULT_HOME)
    if not place.path.exists():
        return False
    with place.starting():
        server = place.server()
        if server is not None:
            end(place, server)
        else:
            place.clear_temporary()
        if wipe:
            place.wipe()
    return server is not None


def status(*, home: Path | None = None) -> StackStatus:
    """Whether the server runs and its stack is deployed, and where."""
    place = Home(home or DEFAULT_HOME)
    server, deployed = place.server(), place.deployed()
    if server is None or deployed is None:
        return StackStatus(running=False, home=place.path, logs=place.logs)
    return StackStatus(
        running=True,
        home=place.path,
        logs=place.logs,
        endpoint_url=server.endpoint_url,
        region=REGION,
        uploads_bucket=deployed.uploads_bucket,
        artifacts_bucket=deployed.artifacts_bucket,
        api_url=server.endpoint_url + deployed.api_path,
        tenant=DEFAULT_TENANT,
        api_key=place.api_key(),
    )


def _check_code(place: Home, server: Server) -> None:
    """Functions would be of this folder and their library of the server's, which may be another version."""
    if server.root not in ("", str(ROOT)):
        raise ConfigurationError(
            f"the embedded cloud in {place.path} runs the code of {server.root}, and this command is of {ROOT}: "
            "'modeldrop down' ends it, or --home FOLDER starts one of its own"
        )


def _deploy(place: Home, server: Server, report: Report, *, model_code: str) -> None:
    """Deploy when code or template are others than what is deployed, or the state was lost; keep a key that works."""
    from pipeline.local.deploy import CODE_BUCKET, Deployer  # botocore takes longer to import than the server to start
    from pipeline.local.package import digest_of, package

    deployer = Deployer(server.endpoint_url)
    digest, deployed = f"{digest_of(ROOT, TEMPLATE)}-{model_code}", place.deployed()
    if deployed is not None and deployed.digest == digest and deployer.is_deployed(STACK):
        functions = deployed.functions
    else:
        report("deploying template.yaml")
        made = package(TEMPLATE, bucket=CODE_BUCKET, digest=digest)
        deployer.deploy(STACK, made, {"ModelCode": model_code, **_PARAMETERS})
        functions = deployer.functions(STACK, made)
    outputs = _with_api_key(place, server)
    place.remember(
        LocalDeployment(
            digest=digest,
            uploads_bucket=outputs["UploadsBucket"],
            artifacts_bucket=outputs["ArtifactsBucket"],
            api_path=_api_path(outputs["ApiUrl"]),
            functions=functions,
        )
    )


def _with_api_key(place: Home, server: Server) -> Mapping[str, str]:
    """The stack's outputs; the demo tenant has a key that is known to it."""
    stack = operator(stack=STACK, endpoint_url=server.endpoint_url, region=REGION, credentials=CREDENTIALS)
    try:
        stack.keys.resolve(place.api_key() or "")
    except UnauthenticatedError:
        place.remember_api_key(stack.keys.create(DEFAULT_TENANT, "laptop"))
    return stack.outputs


def _api_path(url: str) -> str:
    """https://ID.execute-api.REGION.amazonaws.com/STAGE -> where the emulator serves it, under its own address."""
    parts = urlsplit(url)
    return f"/restapis/{parts.netloc.split('.')[0]}{parts.path.rstrip('/')}/_user_request_"
