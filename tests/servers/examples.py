"""Do the examples of docs/embedding.md run, and say what that page shows?

usage: examples.py          the program is $REPLAYSAFE, else target/debug/replaysafe; install.sh must have run

Exports the component and the core module, runs docs/examples/host.py and docs/examples/door.mjs on them, and looks for all that
they print in the page. The Rust examples are tests of the workspace.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import running

ROOT = running.HERE.parent.parent
PROGRAM = os.environ.get("REPLAYSAFE", str(ROOT / "target" / "debug" / "replaysafe"))
EXAMPLES = ROOT / "docs" / "examples"
SECONDS_MAX = 100


def main():
    page = (ROOT / "docs" / "embedding.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        component, core = Path(folder) / "replaysafe.wasm", Path(folder) / "core.wasm"
        ran([PROGRAM, "component", "export", component])
        ran([PROGRAM, "component", "export", "--core", core])
        printed = {
            "host.py": ran([running.INSTALLED / "embedding" / "bin" / "python", EXAMPLES / "host.py", component]),
            "door.mjs": ran(["node", EXAMPLES / "door.mjs", core]),
        }
    unsaid = [f"{name}: {line}" for name, lines in printed.items() for line in lines.splitlines() if line not in page]
    empty = [name for name, lines in printed.items() if not lines.strip()]
    print("\n".join([f"docs/embedding.md does not show what {line}" for line in unsaid] + [f"{name} prints nothing" for name in empty]))
    print(f"{len(printed) - len({line.split(':')[0] for line in unsaid} | set(empty))} examples run as the page says, of {len(printed)}")
    sys.exit(1 if unsaid or empty else 0)


def ran(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SECONDS_MAX, env=running.ENVIRONMENT)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(map(str, command))}` exits with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
