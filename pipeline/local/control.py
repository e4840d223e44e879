"""Commands of the embedded cloud: up, down, status."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.bootstrap import operator
from pipeline.contracts.errors import ConfigurationError, UnauthenticatedError
from pipeline.contracts.stack import DEFAULT_TENANT, StackStatus
from pipeline.local.home import Home, LocalDeployment, Server
from pipeline.local.launch import start, terminate, wait_for, wait_until_ended
from pipeline.local.processes import CREDENTIALS, REGION, ROOT

__all__ = ["DEFAULT_HOME", "TEMPLATE", "down", "status", "up"]

DEFAULT_HOME = Path("~/.modeldrop")
STACK = "modeldrop"
TEMPLATE = ROOT / "template.yaml"
_PARAMETERS = {
    "ModelCode": "refused",
    "MultiNode": "cpu",  # nodes are processes here: they cost nothing, and would compete for one GPU
    "FargateWaitSeconds": "7200",  # jobs wait for each other here, and every queue runs on this machine
}
_NOT_KEPT = {"ModelCode"}  # other people's code runs only if each `up` allows it

Report = Callable[[str], None]


def up(
    *,
    home: Path | None = None,
    bind: str = "127.0.0.1",
    foreground: bool = False,
    parameters: Mapping[str, str] | None = None,
    report: Report = lambda text: None,
) -> StackStatus:
    """Start the server if none is running, and deploy what has changed.

    Args:
        home: Folder of the embedded cloud.
        bind: Address to listen on.
        foreground: Return only when the server has ended; Ctrl-C ends it.
        parameters: Parameters of the template. An omitted parameter keeps the value that an earlier ``up`` of this
            folder gave it; an empty value restores the default. ``ModelCode`` is not kept: with the value ``none``,
            uploaded model.py files run on this machine with this user's rights.
        report: Called with each line of progress.

    Returns:
        Status of the running stack.

    Raises:
        ConfigurationError: The server cannot start or runs the code of another folder, or the deployment failed.
    """
    cloud_home = Home(home or DEFAULT_HOME)
    with cloud_home.starting():
        process, running = None, cloud_home.server()
        if running is None:
            report("starting the embedded cloud")
            process = start(cloud_home, bind)
        else:
            _check_code(cloud_home, running)
        server = wait_for(cloud_home, process)
        try:
            _deploy(cloud_home, server, report, parameters or {})
        except BaseException:
            if process is not None:  # half a stack is useless; a server that ran before keeps running
                terminate(cloud_home, server)
            raise
    ready = status(home=cloud_home.path)
    if foreground:
        report(f"{ready.endpoint_url} is ready; Ctrl-C ends it")
        wait_until_ended(cloud_home, server)
    return ready


def down(*, home: Path | None = None, wipe: bool = False) -> bool:
    """End the server; its data stays.

    Args:
        home: Folder of the embedded cloud.
        wipe: Delete the data too.

    Returns:
        False if no server was running.
    """
    cloud_home = Home(home or DEFAULT_HOME)
    if not cloud_home.path.exists():
        return False
    with cloud_home.starting():
        server = cloud_home.server()
        if server is not None:
            terminate(cloud_home, server)
        else:
            cloud_home.clear_temporary()
        if wipe:
            cloud_home.wipe()
    return server is not None


def status(*, home: Path | None = None) -> StackStatus:
    """Return whether the server is running with a deployed stack, and its addresses."""
    cloud_home = Home(home or DEFAULT_HOME)
    server, deployed = cloud_home.server(), cloud_home.deployed()
    if server is None or deployed is None:
        return StackStatus(running=False, home=cloud_home.path, logs=cloud_home.logs)
    return StackStatus(
        running=True,
        home=cloud_home.path,
        logs=cloud_home.logs,
        endpoint_url=server.endpoint_url,
        region=REGION,
        uploads_bucket=deployed.uploads_bucket,
        artifacts_bucket=deployed.artifacts_bucket,
        api_url=server.endpoint_url + deployed.api_path,
        tenant=DEFAULT_TENANT,
        api_key=cloud_home.api_key(),
    )


def _check_code(cloud_home: Home, server: Server) -> None:
    """Refuse a server of another clone: functions would mix this folder's code with that clone's library."""
    if server.root not in ("", str(ROOT)):
        raise ConfigurationError(
            f"the embedded cloud in {cloud_home.path} runs the code of {server.root}, and this command is from {ROOT}: "
            "end it with 'modeldrop down', or use another --home FOLDER"
        )


def _deploy(cloud_home: Home, server: Server, report: Report, overrides: Mapping[str, str]) -> None:
    """Deploy if code or template changed or the state was lost; make sure that an API key is valid.

    The given parameters are stored after the deployment has succeeded.
    """
    from pipeline.local.deploy import CODE_BUCKET, Deployer  # importing botocore takes longer than starting the server
    from pipeline.local.package import compute_digest, package

    chosen = {name: value for name, value in {**cloud_home.parameters(), **overrides}.items() if value}
    if earlier := sorted(chosen.keys() - overrides.keys()):
        report(f"parameters of an earlier 'up' are kept: {', '.join(earlier)}")
    parameters = _PARAMETERS | chosen
    deployer = Deployer(server.endpoint_url)
    settings = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]
    digest, deployed = f"{compute_digest(ROOT, TEMPLATE)}-{settings}", cloud_home.deployed()
    if deployed is not None and deployed.digest == digest and deployer.is_deployed(STACK):
        functions = deployed.functions
    else:
        report("deploying template.yaml")
        bundle = package(TEMPLATE, bucket=CODE_BUCKET, digest=digest)
        declared = {name: value for name, value in parameters.items() if name in bundle.template["Parameters"]}
        deployer.deploy(STACK, bundle, declared)  # stored parameters may be of an earlier release
        functions = deployer.functions(STACK, bundle)
    outputs = _with_api_key(cloud_home, server)
    cloud_home.save_deployment(
        LocalDeployment(
            digest=digest,
            uploads_bucket=outputs["UploadsBucket"],
            artifacts_bucket=outputs["ArtifactsBucket"],
            api_path=_api_path(outputs["ApiUrl"]),
            functions=functions,
        )
    )
    cloud_home.save_parameters({name: value for name, value in chosen.items() if name not in _NOT_KEPT})


def _with_api_key(cloud_home: Home, server: Server) -> Mapping[str, str]:
    """Return the stack's outputs; make sure that the demo tenant has a valid, stored API key."""
    stack = operator(stack=STACK, endpoint_url=server.endpoint_url, region=REGION, credentials=CREDENTIALS)
    try:
        stack.keys.resolve(cloud_home.api_key() or "")
    except UnauthenticatedError:
        cloud_home.save_api_key(stack.keys.create(DEFAULT_TENANT, "laptop", role="owner"))
    stack.tenants.ensure(DEFAULT_TENANT)
    return stack.outputs


def _api_path(url: str) -> str:
    """Return the emulator's path for https://ID.execute-api.REGION.amazonaws.com/STAGE."""
    address = urlsplit(url)
    return f"/restapis/{address.netloc.split('.')[0]}{address.path.rstrip('/')}/_user_request_"
