#!/usr/bin/env bash
# Library: fsspec 2026.9.0 with aiohttp 3.14.5, the file system of http:// and https://.
#
# Behaviour: `isdir` of a file downloads all of it, to look for links in what it then takes for a page: 33,554,432 bytes
# for a file of 32 MiB. `exists` and `isfile` send a GET without a range, too, and close the connection once the headers
# are there; by then 0.2 to 4 MiB were under way here. `info` asks with HEAD, and nothing is sent.
#
# Why it surprises: a question whose answer is yes or no costs as much as the file. On s3:// and in local folders the same
# calls are cheap, and code that is to work on any file system asks them first.
#
# Whom it bites: whoever looks before opening many large files on a web server: the traffic is a multiple of what is read
# afterwards by ranges. `info` in a try statement, or just `open`, is the cheap question.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fsspec==2026.9.0 aiohttp==3.14.5
cd "$folder"
venv/bin/python - <<'PY'
import http.server
import threading
import time

import fsspec

SIZE = 32 << 20
sent = {"GET": 0, "HEAD": 0}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def do_GET(self):
        first, last = 0, SIZE - 1
        if asked := self.headers.get("Range"):
            first, last = (int(end) for end in asked.removeprefix("bytes=").split("-"))
            last = min(last, SIZE - 1)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{SIZE}")
        self.end_headers()
        left = last - first + 1
        try:
            while left:
                left -= self.wfile.write(bytes(min(left, 1 << 16)))
                sent["GET"] = max(sent["GET"], last - first + 1 - left)
        except OSError:
            self.close_connection = True

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args):
        pass


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/maps.bin"
files = fsspec.filesystem("http", skip_instance_cache=True)
for ask in ("exists", "isfile", "isdir", "info"):
    sent["GET"] = 0
    answer = getattr(files, ask)(url)
    time.sleep(0.5)  # for the server to see that the connection was closed
    print(f"{ask:7} {sent['GET']:>9} bytes of {SIZE}")
    assert (sent["GET"] > 0) == (ask != "info"), ask
    assert (sent["GET"] == SIZE) == (ask == "isdir"), ask
PY
echo "as it was"
