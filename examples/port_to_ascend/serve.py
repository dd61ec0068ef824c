"""Serves a model over HTTP: POST {"input": values, ...} as JSON, get the outputs as JSON.

python serve.py rain-normalized.onnx --device ascend:0 --precision medium
python serve.py rain-normalized.onnx --device ascend:0 --precision medium --try golden.npz
"""

import argparse
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import numpy as np

import hal
import hal.onnx
from hal.cli.command import guarded


def handler(session: hal.onnx.Session, precision: str) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests with a session."""
    running = threading.Lock()
    dtypes = {i.name: i.dtype.numpy for i in session.inputs}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                values = {name: np.array(v, dtypes.get(name)) for name, v in given.items()}
                with running:
                    found = session.run(values, precision=precision)
                    answer = {name: value.numpy().tolist() for name, value in found.items()}
                self.answer(200, answer)
            except (hal.HalError, ValueError, TypeError, AttributeError) as error:
                self.answer(400, {"error": str(error)})

        def answer(self, status: int, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    return Handler


def ask(port: int, path: str) -> None:
    """Send the inputs of a golden run, and print how far the answer is from its outputs."""
    with np.load(path) as archive:
        golden = dict(archive)
    expected = golden.pop("chance")
    body = json.dumps({name: value.tolist() for name, value in golden.items()}).encode()
    with urlopen(Request(f"http://127.0.0.1:{port}", body), timeout=60) as response:
        chance = np.array(json.load(response)["chance"])
    print(f"{chance.size} chances of rain, off by at most {np.abs(chance - expected).max():.1e}")


def main() -> None:
    """Load the model once, and answer until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--device")
    parser.add_argument("--precision", default="highest")
    parser.add_argument("--port", type=int, default=0, help="any free port when left out")
    parser.add_argument("--try", dest="golden", help="answer one request of ours, then end")
    options = parser.parse_args()

    session = hal.onnx.load(options.model, options.device)
    session.device.check_dtype(hal.float32)
    answers = handler(session, options.precision)
    with ThreadingHTTPServer(("127.0.0.1", options.port), answers) as server:
        print(f"{options.model} on {session.device.name} answers", flush=True)
        if options.golden is None:
            server.serve_forever()
            return
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            ask(server.server_port, options.golden)
        finally:
            server.shutdown()


if __name__ == "__main__":
    sys.exit(guarded(main))
