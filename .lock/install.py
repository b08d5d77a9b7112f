"""Install a lock and this project into .venv: `python3 .lock/install.py run` (or dev).

pip installs uv, and uv the rest within seconds. If either fails, pip installs everything. Both check the same hashes.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

LOCKS = Path(__file__).resolve().parent
VENV = LOCKS.parent / ".venv"
PYTHON = str(VENV / "bin" / "python")
UV = str(VENV / "bin" / "uv")
UNFINISHED = VENV / ".unfinished"  # stays after an interruption, which can leave a package with some of its files
UV_IN_LOCK = r"^uv==(?:.*\\\n)*.*\n"
PROJECT = ["--no-deps", "--no-build-isolation", "-e", str(LOCKS.parent)]
# a venv without pip borrows that of another place, last on its path, so that it hides nothing
BORROW_PIP = "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module('pip', run_name='__main__')"


def main() -> None:
    print("installing into .venv", file=sys.stderr)
    name, anew = sys.argv[1], UNFINISHED.exists()
    UNFINISHED.touch()
    try:
        install_with_uv(name, anew)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"uv can't be used ({reason(error)}); pip installs instead, in about 1 min", file=sys.stderr)
        install_with_pip(name, anew)
    UNFINISHED.unlink()


def install_with_uv(name: str, anew: bool) -> None:
    pip = [PYTHON, "-I", "-c", BORROW_PIP, place_of_pip()]
    with subprocess.Popen(
        [*pip, "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as listing:
        if not runs(UV):
            pinned = re.search(UV_IN_LOCK, (LOCKS / "run.txt").read_text(), re.MULTILINE)
            (VENV / "uv.txt").write_text(pinned[0] if pinned else "")
            only_uv = ["--require-hashes", "--only-binary", ":all:", "--no-compile", "-r", str(VENV / "uv.txt")]
            run([*pip, "install", "-q", "--ignore-installed", *only_uv])
        configured = listing.communicate()[0]
    settings = uv_settings(configured, os.environ)
    offline = bool(re.search(r"\.no-index='(1|true|yes|on)'$", configured, re.MULTILINE))
    uv = [UV, "pip", "install", "-q", "--python", PYTHON, *["--no-index"] * offline]
    locked = [*uv, "--no-deps", *["--reinstall"] * anew]
    run([*locked, *lock("run")], settings)
    if name == "dev":  # the processes of the tests write no compiled files
        compiling = [PYTHON, "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")]
        subprocess.run(compiling, capture_output=True, check=False)  # templates in some packages fail
        run([*locked, *lock(name)], settings)
    run([*uv, *PROJECT], settings)


def install_with_pip(name: str, anew: bool) -> None:
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        subprocess.run([PYTHON, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        again = ["--force-reinstall"] * anew
        where = LOCKS
        if not runs(UV):  # there may be no wheel of it for this platform
            without = re.sub(UV_IN_LOCK, "", (LOCKS / f"{name}.txt").read_text(), flags=re.MULTILINE)
            where = VENV
            (where / f"{name}.txt").write_text(without)
        subprocess.run([*pip, *["--no-compile"] * (name == "run"), *again, *lock(name, where)], check=True)
        subprocess.run([*pip, *PROJECT], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)  # after its message


def lock(name: str, where: Path = LOCKS) -> list[str]:
    return ["--require-hashes", "-r", str(where / f"{name}.txt")]


def place_of_pip() -> str:
    """Return where this Python has pip: its own, or the wheel that it would put into a venv."""
    if (own := importlib.util.find_spec("pip")) and own.origin:
        return str(Path(own.origin).parents[1])
    import ensurepip

    wheels = sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).parent / "_bundled"
    return str(next(Path(wheels).glob("pip-*.whl"), ""))


def uv_settings(configured: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which uv uses what pip is configured to use; UV_* variables of the user come first."""
    pip = {"cert": environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE", "")}
    for section in ("global", "install", ":env:"):  # a later one overrides
        for option, value in re.findall(rf"^{section}\.([\w.-]+)=(.*)$", configured, re.MULTILINE):
            pip[option.lstrip(".")] = ast.literal_eval(value)
    given = {
        "UV_DEFAULT_INDEX": pip.get("index-url"),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip: take a package from any index; hashes protect
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout") or pip.get("default-timeout"),
        "SSL_CERT_FILE": pip.get("cert"),
        "SSL_CLIENT_CERT": pip.get("client-cert"),
        "HTTP_PROXY": pip.get("proxy"),
        "HTTPS_PROXY": pip.get("proxy"),
    }
    users = {name: value for name, value in environ.items() if name.startswith("UV_")}
    return {**environ, **{name: value for name, value in given.items() if value}, **users}


def runs(program: str) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(command: list[str], env: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, env=env)


def reason(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in (error.stderr or "").splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {error.returncode}"
    return str(error)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
