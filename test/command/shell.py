#!/usr/bin/env python3
"""test/command/shell.py OUT PORT [WORD...]: the shell and its tools: scripts,
each with what it prints and its exit status.  A WORD picks the cases whose
name it is part of.  Ends with "N passed, N failed, N skipped".

The scripts are in test/command/shell/scripts.txt; all run in one machine.  What is typed
at a terminal, one of tmux, is in test/command/shell/keys.txt.  Waits are for what is to
be seen, however long that takes; nothing is tried twice.  What init does is in
test/command/shell/inits.txt."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from verdict import end, verdict, wanted

out, port = pathlib.Path(sys.argv[1]), sys.argv[2]
work = pathlib.Path(tempfile.mkdtemp(dir=out, prefix=f"shell-{port}-"))
nebulet = str(out / "nebulet")
LIMIT_S = 1200  # what takes longer hangs
# The same for what is to be seen next.
HANG_S = float(os.environ.get("HANG_S", 300))


# --- scripts -----------------------------------------------------------------

def read_scripts(path):
    """[name, exit status, script, output] of each case in the file."""
    cases = []
    for text in path.read_text().rstrip("\n").split("\n==== ")[1:]:
        head, _, rest = text.partition("\n")
        script, _, want = rest.strip("\n").partition("\n---\n")
        name, _, status = head.rpartition(": ")
        cases.append([name, int(status), script + "\n",
                      want + "\n" if want else ""])
    return cases


def run_scripts(cases):
    """What each printed, and its exit status, as one text."""
    for number, case in enumerate(cases):
        (work / "cases").mkdir(exist_ok=True)
        (work / "cases" / str(number)).write_text(case[2])
    (work / "data").mkdir()
    (work / "data" / "fruit").write_text("pear\napple\nfig\napple\n")
    (work / "data" / "numbers").write_text("10 x\n9 y\n-1 z\n")
    (work / "data" / "bytes").write_bytes(bytes(range(20)))
    script = "".join(
        f"cd /tmp; shell /cases/{n} one 'two  words' >/out 2>&1; "
        f"echo \"@{n} $?\"; cat /out; echo \"@\"\n" for n in range(len(cases)))
    done = subprocess.run(
        [nebulet, "shell", "--on", port, "--dir", f"{work}/cases::/cases",
         "--dir", f"{work}/data::/files::ro",
         "--dir", f"{out}/user/traps/unreachable.wasm::/bin/crash"],
        input=script.encode(), capture_output=True, timeout=LIMIT_S)
    return done


def check_scripts(cases):
    done = run_scripts(cases)
    text = done.stdout.decode(errors="replace")
    verdict("scripts end", "" if done.returncode == 0 else
            f"status {done.returncode}: {done.stderr[-600:]!r}")
    for number, (name, status, _, want) in enumerate(cases):
        found = re.search(rf"^@{number} (\d+)\n(.*?)^@\n", text, re.M | re.S)
        got = found and (int(found[1]),
                         found[2].replace(f"/cases/{number}", "/cases/N"))
        ok = got and got[0] == status and \
            re.fullmatch(want, got[1]) if want.startswith("(?s)") else \
            got == (status, want)
        verdict(name, "" if ok else f"{got!r}, expected {(status, want)!r}")


def shell(*arguments, text="", options=()):
    return subprocess.run(
        [nebulet, "shell", "--on", port, *options, "--", *arguments],
        input=text.encode(), capture_output=True, timeout=LIMIT_S)


def check_ends():
    done = shell("-c", "poweroff 5; sleep 100")
    verdict("poweroff", "" if done.returncode == 5 else repr(done))
    done = shell(text="echo $0; log said; exit 6\necho never\n")
    ok = (done.returncode, done.stdout) == (6, b"shell\n") and \
        b"/bin/log: said" in done.stderr
    verdict("standard input", "" if ok else repr(done))


# --- init --------------------------------------------------------------------

def read_inits(path):
    """(name, exit status, file, standard output and error) of each case."""
    for text in path.read_text().rstrip("\n").split("\n==== ")[1:]:
        head, _, rest = text.partition("\n")
        parts = [part.strip("\n") + "\n" if part.strip("\n") else ""
                 for part in re.split(r"^---$", rest, flags=re.M)]
        name, _, status = head.rpartition(": ")
        yield name, int(status), *parts


def check_inits(cases):
    root = work / "root"
    shutil.copytree(out / "system", root, symlinks=True)
    for name, text in {"exit": "exit $1", "said": "echo said; exit 1",
                       "slow": "sleep 0.05; echo first",
                       "slow-exit": "sleep 0.05; exit $1"}.items():
        (root / name).write_text(text + "\n")
    for name, status, text, stdout, stderr in cases:
        (root / "etc" / "init").write_text(text)
        done = subprocess.run(
            [nebulet, "run", "--on", port, "--dir", root,
             out / "user" / "init.wasm", "one", "two"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=LIMIT_S)
        ok = done.returncode == status and all(
            got == want or re.fullmatch(want, got) or
            re.fullmatch(want.rstrip("\n"), got)
            for got, want in [(done.stdout, stdout), (done.stderr, stderr)])
        verdict(f"init: {name}", "" if ok else repr(done))


# --- a terminal --------------------------------------------------------------

def children_of(parent):
    """(pid, name) of each, as proc(5) tells them."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, name, rest = re.fullmatch(r"(\d+) \((.*)\) . (\d+) .*\n",
                                           path.read_text(), re.S).groups()
        except (OSError, AttributeError):  # it has ended
            continue
        if int(rest) == parent:
            found.append((int(pid), name))
    return sorted(found)


class Terminal:
    """A window of tmux, with a command in it."""

    def __init__(self, command):
        self.socket = f"nebulet-{os.getpid()}"
        self.command = " ".join(shlex.quote(str(word)) for word in command)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y",
                  "24", "env PS1='host> ' sh")
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("set-option", "-g", "escape-time", "0")
        self.tmux("set-option", "-g", "window-size", "manual")
        self.wait("host>")
        self.before = self.settings()

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-u", "-L", self.socket, *words],
                              capture_output=True, text=True, timeout=60)
        return done.stdout

    def screen(self):
        """Its lines, down to the cursor's at least."""
        text = self.tmux("capture-pane", "-p", ";", "display-message", "-p",
                         "#{cursor_y}").rstrip("\n")
        *lines, row = text.split("\n")
        while len(lines) > int(row) + 1 and not lines[-1].strip():
            lines.pop()
        return "\n".join(line.rstrip() for line in lines)

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def text(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def wait(self, pattern, whole=False):
        """Until the screen has it, or is it; the screen if that never is."""
        end = time.monotonic() + HANG_S
        while time.monotonic() < end:
            screen = self.screen()
            if (re.fullmatch(pattern, screen, re.S) if whole else
                    re.search(pattern, screen)):
                return None
            time.sleep(0.05)
        return screen

    def stty(self, what):
        tty = self.tmux("display-message", "-p", "#{pane_tty}").strip()
        return subprocess.run(["stty", what, "-F", tty], text=True,
                              capture_output=True).stdout.strip()

    def settings(self):
        return self.stty("-g")

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)
        while self.stty("size") != f"{height} {width}":
            time.sleep(0.05)  # tmux takes its time

    def start(self):
        self.text(f"clear; {self.command}; echo \"ended $?\"")
        self.keys("Enter")
        return self.wait(r"^/ \$$")

    def pid(self):
        """Of the command in the window."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        return children_of(int(shell))[0][0]

    def end(self):
        self.tmux("kill-server")


def read_keys(path):
    """(name, steps, pattern of the screen at the end) of each case."""
    for text in path.read_text().rstrip("\n").split("\n==== ")[1:]:
        head, _, rest = text.partition("\n")
        steps, _, want = rest.partition("\n---\n")
        lines = [line[1:] if line.startswith("~") else re.escape(line)
                 for line in want.split("\n")]
        yield head, steps.split("\n"), "\n".join(lines)


def act(terminal, step):
    """What is seen instead of what is to be seen, or None."""
    kind, rest = step[0], step[1:]
    if kind == '"':
        terminal.text(rest)
    elif kind == "<":
        terminal.keys(*rest.split())
    elif kind == "?":
        return terminal.wait(rest)
    elif kind == "!":
        terminal.resize(*rest.split())
    return None


def play(terminal, steps, want):
    terminal.keys("C-l")
    seen = terminal.wait(r"/tmp \$", whole=True)
    for step in steps:
        seen = seen or act(terminal, step)
    return seen or terminal.wait(want, whole=True)


def check_keys(cases):
    (work / "files" / "dir").mkdir(parents=True)
    for name, text in {"fruit": "pear\napple\n", "empty": "", "alpha1": "",
                       "alpha2": ""}.items():
        (work / "files" / name).write_text(text)
    terminal = Terminal(
        [nebulet, "shell", "--on", port, "--dir", f"{work}/files::/files",
         "--dir", f"{out}/user/traps/unreachable.wasm::/bin/crash",
         "--dir", f"{out}/user/loop.wasm::/bin/loop"])
    try:
        seen = terminal.start()
        terminal.text("cd /tmp")
        terminal.keys("Enter")
        for name, steps, want in cases:
            seen = seen or play(terminal, steps, want)
            verdict(f"keys: {name}", seen and f"not reached:\n{seen}")
            if seen:
                return
        check_leaving(terminal)
        check_hangup(terminal)
    finally:
        terminal.end()


def check_leaving(terminal):
    """The terminal is as it was, however the shell ends."""
    terminal.keys("C-l")
    terminal.text("exit 7")
    terminal.keys("Enter")
    seen = terminal.wait("ended 7\nhost>")
    verdict("exit", seen)
    verdict("settings after exit",
            terminal.settings() != terminal.before and "differ")
    for name, victim in [("the command", "command"), ("QEMU", "qemu")]:
        if victim == "qemu" and port != "metal":
            continue
        seen = terminal.start()
        raw = terminal.settings()
        pid = terminal.pid()
        if victim == "qemu":
            pid = next(child for child, name in children_of(pid)
                       if name.startswith("qemu"))
        os.kill(pid, signal.SIGKILL)
        seen = seen or terminal.wait(r"ended \d+\nhost>")
        while terminal.settings() == raw and not seen:
            time.sleep(0.05)
        verdict(f"{name} is killed", seen or
                (terminal.settings() != terminal.before and "settings differ"))


def check_hangup(terminal):
    """Nothing is left when the window is closed."""
    seen = terminal.start()
    pid = None if seen else terminal.pid()
    left = [] if seen else [pid] + [child for child, _ in children_of(pid)]
    terminal.end()
    until = time.monotonic() + HANG_S
    while left and time.monotonic() < until:
        time.sleep(0.05)
        left = [one for one in left if pathlib.Path(f"/proc/{one}").exists()]
    verdict("the window is closed", seen or (left and f"{left} live on"))


if wanted("ends"):
    check_ends()
inits = [case for case in read_inits(pathlib.Path("test/command/shell/inits.txt"))
         if wanted("init: " + case[0])]
if inits:
    check_inits(inits)
keys = [case for case in read_keys(pathlib.Path("test/command/shell/keys.txt"))
        if wanted("keys: " + case[0])]
if keys:
    check_keys(keys)
scripts = [case for case in
           read_scripts(pathlib.Path("test/command/shell/scripts.txt"))
           if wanted(case[0])]
if scripts:
    check_scripts(scripts)
end()
