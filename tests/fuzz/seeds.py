"""Writes seeds for a fuzz target: the bodies of the corpus, for the door calls made of them, for the edge connections.

usage: seeds.py TARGET FOLDER
"""

import hashlib
import json
import pathlib
import sys

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "corpus"
SETTINGS = {"policy": "{}", "schema": "{}", "profile": []}
SCOPE = {"tenant": "t", "target": "x", "source": "default", "principal": "p"}
METHODS = {"post": "create", "put": "replace", "patch": "patch"}


def requests():
    for case in sorted(CORPUS.glob("*/*.case")):
        for line in case.read_text().splitlines():
            verb, _, rest = line.partition(" ")
            place, _, rest = rest.partition(" ")
            if verb in METHODS and rest.startswith("{"):
                try:
                    body, _ = json.JSONDecoder().raw_decode(rest)
                except json.JSONDecodeError:
                    continue
                kind, _, name = place.partition("/")
                yield METHODS[verb], kind, name or None, body


def seeds(target):
    for method, kind, name, body in requests():
        text = json.dumps(body)
        if target == "json" or (target == "patch" and method == "patch"):
            yield text.encode()
        if target == "door":
            yield from calls(method, kind, name, text)


def calls(method, kind, name, text):
    request = {"scope": SCOPE, "method": method, "resource-type": kind, "body": text, "received-at": 1}
    if name:
        request["id"] = name
    tags = {"statement": "s", "names": ["n"]}
    found = {"holders": [], "open": []}
    situation = {"request": request, "tags": tags, "found": found, "observed": [], "settings": SETTINGS,
                 "now": 1, "new-entry": "e", "new-identity": "i", "extra": []}
    yield b"\x03" + json.dumps({"request": request, "settings": SETTINGS}).encode()
    yield b"\x06" + json.dumps({"situation": situation}).encode()
    yield b"\x02" + json.dumps({"policy": "{\"adopt\":\"equal\"}"}).encode()


def connections():
    """What clients send, ordinary and hostile, each in one piece and in small ones."""
    json_type = "Content-Type: application/scim+json\r\n"
    chunks = "2;a=\"b\"\r\n{}\r\n0\r\nX-Trailer: y\r\n\r\n"

    def request(line, headers="", body=None):
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        return f"{line} HTTP/1.1\r\nHost: me\r\n{headers}{length}\r\n{body or ''}"

    post = "POST /v2/Users HTTP/1.1\r\nHost: me\r\n" + json_type
    put, search = "PUT /v2/Users/1", "POST /v2/Users/.search"
    chunked = "Transfer-Encoding: chunked\r\n"
    ordinary = [
        request("POST /v2/Users?attributes=id", json_type + "Idempotency-Key: \"k\"\r\n", '{"userName":"a"}'),
        request(put, json_type + "If-Match: W/\"1\"\r\nAuthorization: Bearer t\r\n", "{}"),
        request("PATCH /v2/Groups/a%20b", json_type + "Expect: 100-continue\r\n", "{}"),
        request("DELETE /v2/Users/1", "Connection: close, x-hop\r\nX-Hop: 1\r\n"),
        request("GET /v2/Users?filter=a%20eq%20%22b%22"),
        request("HEAD /v2/Users/1"),
        request("OPTIONS /v2"),
        request("GET /v2/ServiceProviderConfig"),
        request(search, json_type, "{}"),
        request("POST /v2/Raw/x", "", "x"),
        request("POST /v2/Bulk", json_type, "{}"),
        request("GET /healthz") + request("GET /readyz"),
        post + chunked + "\r\n" + chunks,
        request(search, json_type + chunked) + chunks,
        "GET /v2/Users/1 HTTP/1.0\r\n\r\n",
        "PUT /v2/Users/1 HTTP/1.0\r\nConnection: keep-alive\r\n" + json_type + "Content-Length: 2\r\n\r\n{}",
    ]
    smuggled = request("DELETE /v2/Users/smuggled")
    hostile = [
        post + "Content-Length: 2\r\n" + chunked + "\r\n" + chunks,
        post + chunked + "Content-Length: 2\r\n\r\n" + chunks,
        post + chunked + "Transfer-Encoding: identity\r\n\r\n" + chunks,
        post + "Transfer-Encoding: xchunked\r\n\r\n" + chunks,
        post + "Transfer-Encoding:\x0bchunked\r\n\r\n" + chunks,
        post + "Transfer-Encoding : chunked\r\n\r\n" + chunks,
        post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        post + "Content-Length: 2, 2\r\n\r\n{}",
        post + "Content-Length: +2\r\n\r\n{}",
        post + "Content-Length: 2\n\r\n{}",
        post + "X: y\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\n{}",
        post + "X: a\rContent-Length: 9\r\nContent-Length: 2\r\n\r\n{}",
        post + "X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
        post.replace("1.1", "1.0") + chunked + "\r\n" + chunks,
        post + chunked + "\r\n2;\n{}\r\n0\r\n\r\n",
        post + chunked + "\r\n2\r\n{}XX0\r\n\r\n",
        post + chunked + "\r\nfffffffffffffffe\r\n{}",
        post + chunked + "\r\n0\r\nContent-Length : 5\r\n\r\n",
        request("GET /v2/Users", chunked) + "2\r\n{}\r\n0\r\nX\r\n\r\n",
        request("PUT /v2/Users/../Groups/1", json_type, "{}"),
        request("PUT /v2/Users/%2e%2e", json_type, "{}"),
        request("PUT /v2/Users/a%2fb", json_type, "{}"),
        request("GET /v2/Users/..%252f..%5cadmin;x/%2E."),
        request("DELETE /v2//Users/1;a=b"),
        request("DELETE http://169.254.169.254/v2/Users/1"),
        request("GET //other/v2/Users"),
        request("CONNECT up:443"),
        request("OPTIONS *"),
        request(put + "?_method=DELETE", json_type, "{}"),
        request(put, json_type + "Host: other\r\n", "{}"),
        request(put, json_type + "Connection: host, content-length\r\n", "{}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        request("GET /v2/Users", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"),
        request("GET /v2/Users", "A: b\r\n" * 100),
        request("GET /v2/Users", f"A: {'a' * 8000}\r\n"),
        post + "Content-Length: 99\r\n\r\n{",
    ]
    for text in ordinary + [text + smuggled for text in ordinary + hostile]:
        for piece in (0, 7):
            yield bytes([piece]) + text.encode("latin-1")


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for seed in connections() if target == "edge" else seeds(target):
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


main()
