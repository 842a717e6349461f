"""Writes seeds for a fuzz target: the bodies of the corpus, and for the door calls made of them.

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


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for seed in seeds(target):
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


main()
