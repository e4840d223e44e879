"""How long is a cold start of the predict function, compared with the minimum?

Both are whole processes, timed from the start to the first response: the function with its registry on loopback, and a
floor that imports numpy, onnxruntime and orjson, creates one session and runs it once. They alternate, so that a busy
machine slows both equally. The function is also timed over https, as on AWS: with ssl, the system's certificate
authorities and two handshakes, which the floor does not have. Also prints the packages that the import of the function
loads.
"""

from __future__ import annotations

import json
import ssl
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before benchmarks/, whose pipeline.py hides the package

from common import report
from serving import FIRST_ANSWER, ROOT, environment, event_of, registry, seconds_to_answer
from serving_stub import serve

from tests.helpers.certificates import write_certificates

PREDICT = ROOT / "functions" / "predict" / "app.py"
ALGORITHM = "linear"  # its session is created fastest, so that modeldrop's own overhead weighs most
STARTS = 15
MAX_RATIO = 1.5
FLOOR = """
import sys
import numpy, onnxruntime, orjson
row = orjson.loads(open(sys.argv[2], "rb").read())
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
feeds = {
    tensor.name: numpy.array([row[tensor.name]], object if "string" in tensor.type else numpy.float32)
    for tensor in session.get_inputs()
}
print("ANSWERED", 200, len(session.run(None, feeds)), flush=True)
"""


def starts(commands: dict[str, tuple[list[str | Path], dict[str, str]]]) -> dict[str, list[float]]:
    """Return the milliseconds to the first response of each command, by name; the commands alternate.

    Args:
        commands: Name -> command and environment variables.
    """
    taken: dict[str, list[float]] = {side: [] for side in commands}
    for number in range(STARTS + 1):
        for side, (command, environ) in commands.items():
            seconds = seconds_to_answer(command, environ)
            if number:  # the first process writes the .pyc files
                taken[side].append(1e3 * seconds)
    return taken


def loaded_packages(environ: dict[str, str]) -> list[str]:
    """Return the packages that the import of the function loads, without the standard library."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import app; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    command = [sys.executable, "-c", script, str(PREDICT.parent)]
    names = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if name not in sys.stdlib_module_names and not name.startswith("_")]


def trusting(folder: Path, authority: Path) -> dict[str, str]:
    """Return environment variables to trust the system's certificate authorities and the stub's ``authority``."""
    paths = ssl.get_default_verify_paths()
    system = Path(paths.cafile or paths.openssl_cafile)
    bundle = folder / "authorities.pem"
    bundle.write_text((system.read_text() if system.is_file() else "") + authority.read_text())
    return {"SSL_CERT_FILE": str(bundle)}


def main() -> None:
    """Time cold starts, and print the report."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as endpoints:
        folder = Path(name)
        subprocess.run([sys.executable, ROOT / "benchmarks" / "serving_model.py", folder, ALGORITHM], check=True)
        file = (folder / "model.onnx").read_bytes()
        event = event_of(folder)
        stored = registry(file, json.loads((folder / "signature.json").read_text()))
        tls = write_certificates(folder)
        environ = environment(endpoints.enter_context(serve(*stored)))
        by_https = environment(endpoints.enter_context(serve(*stored, (tls.certificate, tls.key))))
        ours: list[str | Path] = [sys.executable, "-c", FIRST_ANSWER, PREDICT, event]
        floor: list[str | Path] = [sys.executable, "-c", FLOOR, folder / "model.onnx", folder / "row.json"]
        taken = starts({"ours": (ours, environ), "floor": (floor, environ)})
        taken |= starts({"https": (ours, by_https | trusting(folder, tls.ca))})
        packages = loaded_packages(environ)
    medians = {side: round(statistics.median(times), 1) for side, times in taken.items()}
    ratio = medians["ours"] / medians["floor"]
    report(
        "cold_start",
        results={
            "first_answer_ms": medians["ours"],
            "first_answer_by_https_ms": medians["https"],
            "packages": packages,
        },
        floor={"first_answer_ms": medians["floor"]},
        peers={},
        ratios={
            "first_answer": round(ratio, 3),
            "first_answer_by_https": round(medians["https"] / medians["floor"], 3),
        },
        met=ratio <= MAX_RATIO,
    )


if __name__ == "__main__":
    main()
