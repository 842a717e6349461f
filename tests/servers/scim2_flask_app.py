"""A SCIM server of scim2-flask, in memory, with the storage and the description that scim2-server brings.

usage: scim2_flask_app.py PORT
"""

import sys

from flask import Flask, abort, request
from scim2_flask import ScimServer
from scim2_server.memory import InMemoryStorage
from scim2_server.utils import load_default_provider

TOKEN = "secret"

app = Flask(__name__)
ScimServer(InMemoryStorage(), load_default_provider(), app=app)


@app.before_request
def check_token():
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        abort(401)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
