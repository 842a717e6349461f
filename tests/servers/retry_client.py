"""Does a real client get its user? It provisions one user and one group through scim_client, which retries on its own.

usage: retry_client.py BASE_URL --token TOKEN [--user-name NAME]

scim_client 0.2.3 sends a request up to 3 times while it gets 5xx or 429, whatever the method, 1, 2 and 3 s apart.
Prints what the client got as one JSON object: {"user": RESULT, "group": RESULT, "seconds": S}, where RESULT is
  {"got": true, "id": …, "status": 201}  or  {"got": false, "status": 409, "error": …}; the status is null if none came.
Exits with 0 if the client got its user, with 1 if not.

It runs under the interpreter of target/servers/client.
"""

import argparse
import json
import os
import socket
import sys
import time
from urllib.error import HTTPError

from scim_client import SCIMClient
from scim_client.defaults import Sentinel
from scim_client.resources import User

# scim_client takes a timeout and does not use it; without one it would wait for ever.
ANSWER_SECONDS_MAX = 60


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("base_url")
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--user-name", default="bjensen@example.com")
    options = arguments.parse_args()

    os.environ["NO_PROXY"] = "127.0.0.1"
    socket.setdefaulttimeout(ANSWER_SECONDS_MAX)
    client = RecordingClient(options.base_url, options.token)
    started = time.monotonic()
    user = attempt(client, lambda: client.create_user(new_user(options.user_name)).id)
    group = attempt(client, lambda: create_group(client, f"team of {options.user_name}", user.get("id")))
    print(json.dumps({"user": user, "group": group, "seconds": round(time.monotonic() - started, 1)}, indent=1))
    sys.exit(0 if user["got"] else 1)


class RecordingClient(SCIMClient):
    """scim_client, remembering the status of the last answer that it accepted."""

    status = None

    def _make_request(self, *args, **kwargs):
        self.status = None
        response = super()._make_request(*args, **kwargs)
        self.status = response.status_code
        return response


def new_user(user_name):
    # The library's own mark for `not given`: a client does not choose the id.
    return User(
        id=Sentinel,
        external_id=f"ext-{user_name}",
        user_name=user_name,
        active=True,
        name={"given_name": "Barbara", "family_name": "Jensen"},
        display_name="Barbara Jensen",
        emails=[{"value": "bjensen@example.com", "primary": True, "type": "work"}],
        meta=Sentinel,
        timezone=Sentinel,
    )


def create_group(client, name, member):
    # The library has no call for groups, so this is its private one: the same loop, the same headers.
    group = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": name,
        "members": [{"value": member}] if member else [],
    }
    return client._make_request("POST", "Groups", data=group).body["id"]


def attempt(client, create):
    try:
        return {"got": True, "id": create(), "status": client.status}
    except HTTPError as error:
        return {"got": False, "status": error.code, "error": error.read().decode(errors="replace")[:500]}
    except Exception as error:  # Whatever it raises, the client did not get its resource.
        return {"got": False, "status": client.status, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
