"""A Flask app whose handlers parse first, as many do, and hand on what they have then. POST /WAY answers with the bytes that
such a handler would verify. The port is the first line on standard output."""

import json
import logging
from urllib.parse import quote, urlencode

from flask import Flask, Response, request
from werkzeug.serving import make_server

app = Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


def parsed():
    return request.get_json(force=True)


def fields():
    return list(request.form.items(multi=True))


WAYS = {
    "dumps": lambda: json.dumps(parsed()),
    "dumps-compact": lambda: json.dumps(parsed(), separators=(",", ":"), ensure_ascii=False),
    "dumps-indented": lambda: json.dumps(parsed(), indent=4),
    "dumps-sorted": lambda: json.dumps(parsed(), sort_keys=True),
    "flask": lambda: app.json.dumps(parsed()),
    "form": lambda: urlencode(fields()),
    "form-spaces": lambda: urlencode(fields(), quote_via=quote),
    "form-as-json": lambda: json.dumps(request.form.to_dict()),
    "latin1": lambda: request.get_data().decode("latin-1"),
    "bom": lambda: request.get_data().decode().encode("utf-8-sig"),
    "bytes": lambda: request.get_data(),
}


@app.post("/<way>")
def change(way):
    return Response(WAYS[way](), content_type="application/octet-stream")


server = make_server("127.0.0.1", 0, app)
print(server.port, flush=True)
server.serve_forever()
