"""Is a secret written down? Looks for it in files, in the forms in which software writes text.

Deliberately absent: compression and encryption. What is sealed is not readable, and what is packed is not written here.
"""

import base64
import hashlib
import json
from urllib.parse import quote


def forms(secret):
    """Each form of `secret` by its name, as bytes."""
    plain = secret.encode()
    utf_16 = {"UTF-16 LE": secret.encode("utf-16-le"), "UTF-16 BE": secret.encode("utf-16-be")}
    found = {
        "plain": plain,
        **utf_16,
        "URL-encoded": quote(secret, safe="").encode(),
        "URL-encoded in small letters": quote(secret, safe="").lower().encode(),
        "form-encoded": quote(secret, safe="").replace("%20", "+").encode(),
        "JSON in ASCII": json.dumps(secret)[1:-1].encode(),
        # A digest without a key is as good as the secret where secrets can be guessed.
        "SHA-256": hashlib.sha256(plain).digest(),
        "SHA-256 in hex": hashlib.sha256(plain).hexdigest().encode(),
    }
    for name, text in {"plain": plain, **utf_16}.items():
        found[f"hex of {name}"] = text.hex().encode()
        found[f"hex of {name} in capitals"] = text.hex().upper().encode()
        for alphabet, encode in (("", base64.b64encode), (" for URLs", base64.urlsafe_b64encode)):
            for before in range(3):
                found[f"base64{alphabet} of {name}, {before} after a third byte"] = in_base64(text, before, encode)
    return found


def in_base64(text, before, encode):
    """The characters that depend on `text` alone where `before` bytes stand before it in its group of three."""
    whole = encode(b"\0" * before + text)
    # A character has six bits: those that share bits with the bytes before or after are left out.
    first = -(-before * 8 // 6)
    end = (before + len(text)) * 8 // 6
    return whole[first:end]


def written_in(folder, secrets):
    """Gives a line for each secret, form and file below `folder` in which it stands."""
    files = [(path, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        f"{what} is in `{path.name}` ({form})"
        for what, secret in secrets.items()
        for form, text in forms(secret).items()
        for path, content in files
        if text in content
    ]
