#!/usr/bin/env python3
"""test/command/streams.py OUT PORT [WORD...]: what programs find on the
standard streams that a user can give them: every pair of outputs, every kind
of input, and how `nebulet run` ends.  A WORD picks the tests whose name it is
part of.  Ends with "N passed, N failed, N skipped".

The program is user/streams.  No verdict depends on how fast anything is."""

import fcntl
import itertools
import os
import pathlib
import pty
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tty

from verdict import end, verdict, wanted

out, port = pathlib.Path(sys.argv[1]), sys.argv[2]
work = pathlib.Path(tempfile.mkdtemp(dir=out, prefix=f"streams-{port}-"))
program = str(out / "user/streams.wasm")
nebulet = [str(out / "nebulet"), "run", "--on", port]
LIMIT_S = 300  # what takes longer hangs

# user/streams reports errors as these digits.
OK, NOSPC, PIPE, BADF, IO = range(5)


# --- what an output can be ---------------------------------------------------

class Output:
    """An open descriptor (None: closed), and how to see what arrived."""

    error = OK

    def __init__(self, kind, name):
        self.kind = kind
        self.path = work / name
        self.reader = None
        getattr(self, "open_" + kind)()

    def open_file(self):
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def open_append(self):
        self.path.write_text("before\n")
        self.fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def open_pipe(self):
        self.reader, self.fd = os.pipe()

    def open_socket(self):
        ours, theirs = socket.socketpair()
        self.reader, self.fd = ours.detach(), theirs.detach()

    def open_terminal(self):
        self.reader, self.fd = pty.openpty()
        tty.setraw(self.fd)

    def open_null(self):
        self.fd = os.open("/dev/null", os.O_WRONLY)

    def open_full(self):
        self.fd, self.error = os.open("/dev/full", os.O_WRONLY), NOSPC

    def open_unread(self):
        reader, self.fd = os.pipe()
        os.close(reader)
        self.error = PIPE

    def open_readonly(self):
        self.fd, self.error = os.open("/dev/null", os.O_RDONLY), BADF

    def open_closed(self):
        self.fd, self.error = None, BADF

    def result(self, lines):
        """What is to be seen after these lines were written."""
        text = "".join(lines) if not self.error else ""
        if self.kind == "append":
            return "before\n" + text
        return text if self.kind in KEEP else ""

    def close(self):
        """Close our end and return what arrived."""
        if self.fd is not None and self.kind != "terminal":
            os.close(self.fd)
        text = b""
        if self.kind in ("file", "append"):
            text = self.path.read_bytes()
        elif self.kind == "terminal":
            while select.select([self.reader], [], [], 0)[0]:
                text += os.read(self.reader, 4096)
            os.close(self.fd)
        elif self.reader is not None:
            while piece := os.read(self.reader, 4096):
                text += piece
        if self.reader is not None:
            os.close(self.reader)
        return text.decode(errors="replace")


KEEP = ("file", "pipe", "socket", "terminal")
OUTPUTS = ("file", "append", "pipe", "socket", "terminal", "null", "full",
           "unread", "readonly", "closed")


def start(args, stdin, stdout, stderr, before=None):
    """Run the program with these descriptors, None for a closed one."""
    def prepare():
        for number, fd in enumerate((stdin, stdout, stderr)):
            if fd is None:
                os.close(number)
        if before:
            before()

    inherit = [subprocess.DEVNULL if fd is None else fd
               for fd in (stdin, stdout, stderr)]
    return subprocess.Popen(nebulet + args, stdin=inherit[0],
                            stdout=inherit[1], stderr=inherit[2],
                            preexec_fn=prepare)


def flags_of(*fds):
    return [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in fds if fd is not None]


OUT_LINES, ERR_LINES = ["out 1\n", "out 2\n"], ["err 1\n", "err 2\n"]
BOTH_LINES = ["out 1\n", "err 1\n", "out 2\n", "err 2\n"]


def test_pair(out_kind, err_kind):
    first = Output(out_kind, "stdout")
    same = err_kind == "same"
    second = first if same else Output(err_kind, "stderr")
    before = flags_of(first.fd, second.fd)
    status = start([program, "write"], subprocess.DEVNULL, first.fd,
                   second.fd).wait(LIMIT_S)
    changed = flags_of(first.fd, second.fd) != before
    seen = [first.close()] + ([] if same else [second.close()])
    if same:
        expected = [first.result(BOTH_LINES)]
    else:
        expected = [first.result(OUT_LINES), second.result(ERR_LINES)]
    if status != 10 * first.error + second.error:
        return f"status {status}, errors {first.error} {second.error}"
    if changed:
        return "the flags of the caller's open file have changed"
    if seen != expected:
        return f"{seen} arrived, not {expected}"
    return None


def all_pairs():
    kinds = itertools.product(OUTPUTS, OUTPUTS + ("same",))
    for out_kind, err_kind in kinds:
        name = f"stdout {out_kind}, stderr {err_kind}"
        if wanted(name):
            verdict(name, test_pair(out_kind, err_kind))


# --- what an input can be ----------------------------------------------------

def input_of(kind, data=b"abcdef"):
    """A descriptor that reads `data` and then ends."""
    if kind == "file":
        (work / "input").write_bytes(data)
        return os.open(work / "input", os.O_RDONLY), None
    if kind == "pipe":
        reader, writer = os.pipe()
    elif kind == "socket":
        reader, writer = (s.detach() for s in socket.socketpair())
    elif kind == "null":
        return os.open("/dev/null", os.O_RDONLY), None
    elif kind == "directory":
        return os.open("/", os.O_RDONLY), None
    elif kind == "writeonly":
        return os.open("/dev/null", os.O_WRONLY), None
    elif kind == "terminal":
        writer, reader = pty.openpty()
        data += b"\n\4"
    os.write(writer, data)
    return reader, writer


def run(args, stdin=subprocess.DEVNULL):
    """Exit status, stdout and stderr."""
    done = subprocess.run(nebulet + args, stdin=stdin, capture_output=True,
                          timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def expect(got, want):
    return None if got == want else f"got {got!r}, want {want!r}"


def rest(kind, fd, writer):
    """What the program has left for others."""
    os.set_blocking(fd, False)
    if writer is not None and kind != "terminal":
        os.close(writer)
    text = b""
    try:
        while piece := os.read(fd, 100):
            text += piece
    except BlockingIOError:
        pass
    if kind == "terminal":
        os.close(writer)
    os.close(fd)
    return text.decode()


def test_input_left(kind, mode, taken):
    """The host's input is read when the program reads, and no more of it."""
    fd, writer = input_of(kind)
    text = "abcdef\n" if kind == "terminal" else "abcdef"
    got = run([program] + mode, fd)
    return expect((got, rest(kind, fd, writer)),
                  ((0, text[:taken], ""), text[taken:]))


def test_input_error(kind, digit):
    fd, _ = input_of(kind) if kind != "closed" else (None, None)
    reader, writer = os.pipe()
    process = start([program, "take", "3"], fd, writer, writer)
    os.close(writer)
    status = process.wait(LIMIT_S)
    text = os.read(reader, 1000)
    os.close(reader)
    if fd is not None:
        os.close(fd)
    return expect((status, text), (digit, b""))


def test_poll(kind, ready):
    """poll_oneoff: nothing, then what is there, then the end."""
    fd, writer = input_of(kind, b"")
    if kind == "file":
        (work / "input").write_bytes(b"abcdef")
    process = subprocess.Popen(nebulet + [program, "poll"], stdin=fd,
                               stdout=subprocess.PIPE)
    lines = []
    if writer is not None:
        lines.append(process.stdout.readline())
        os.write(writer, b"abcdef")
        lines.append(process.stdout.readline())
        os.close(writer)
    lines += process.stdout.readlines()
    process.stdout.close()
    text = b"".join(lines).decode()
    os.close(fd)
    first = "nothing, error 0" if writer is not None else ready
    return expect((process.wait(LIMIT_S), text),
                  (0, f"at once: {first}\nin time: {ready}\n"
                      "at the end: error 0, 0 bytes, flags 1\n"))


def test_read_now(kind):
    """A read that may not wait says so, and later reads what has come."""
    fd, writer = input_of(kind, b"")
    process = subprocess.Popen(nebulet + [program, "now"], stdin=fd,
                               stdout=subprocess.PIPE)
    text = process.stdout.read(5)
    os.write(writer, b"some")
    text += process.stdout.read()
    process.stdout.close()
    os.close(writer)
    os.close(fd)
    return expect((process.wait(LIMIT_S), text), (0, b"none\nsome"))


def test_input_later():
    """A reader waits for what comes later, and gets it as it comes."""
    reader, writer = os.pipe()
    process = subprocess.Popen(nebulet + [program, "copy"], stdin=reader,
                               stdout=subprocess.PIPE)
    os.close(reader)
    for line in (b"one\n", b"two\n", b"three\n"):
        os.write(writer, line)
        if process.stdout.readline() != line:
            return f"{line} did not come back"
    os.close(writer)
    rest_of_it = process.stdout.read()
    process.stdout.close()
    return expect((process.wait(LIMIT_S), rest_of_it), (0, b""))


def test_loop():
    """while read f; do nebulet run ...; done <list"""
    command = " ".join(nebulet + [program, "exit", "0"])
    (work / "list").write_text("a\nb\nc\n")
    done = subprocess.run(
        ["sh", "-c", f"while read f; do {command}; echo $f; done"],
        stdin=open(work / "list"), capture_output=True, timeout=LIMIT_S,
        check=False)
    return expect(done.stdout, b"a\nb\nc\n")


def test_bytes(size):
    """Every byte arrives, in order, in both directions."""
    data = os.urandom(size)
    done = subprocess.run(nebulet + [program, "copy"], input=data,
                          capture_output=True, timeout=LIMIT_S, check=False)
    if done.returncode or done.stderr:
        return f"status {done.returncode}, {done.stderr}"
    return None if done.stdout == data else \
        f"{len(done.stdout)} bytes came back, and not the same"


def all_inputs():
    table = [(f"{kind}: {mode[0]} leaves", test_input_left, (kind, mode, n))
             for kind in ("file", "pipe", "socket", "terminal")
             for mode, n in ((["exit", "0"], 0), (["take", "2"], 2),
                             (["take", "100"], 100))]
    table += [(f"{kind}: read fails", test_input_error, (kind, digit))
              for kind, digit in (("closed", BADF), ("writeonly", BADF),
                                  ("directory", IO), ("null", OK))]
    six = "error 0, 6 bytes, flags 0"
    table += [(f"{kind}: poll", test_poll, (kind, six))
              for kind in ("file", "pipe", "socket")]
    table += [(f"{kind}: read now", test_read_now, (kind,))
              for kind in ("pipe", "socket")]
    table += [("later", test_input_later, ()), ("loop", test_loop, ()),
              ("300,001 bytes", test_bytes, (300001,))]
    for name, test, args in table:
        if wanted("stdin " + name):
            verdict("stdin " + name, test(*args))


# --- output that is lost, and the end ----------------------------------------

def test_spam_full():
    """fd_write fails, and the program says so."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(nebulet + [program, "spam", "1000000"],
                              stdout=full, stderr=subprocess.PIPE,
                              timeout=LIMIT_S, check=False)
    return expect((done.returncode, done.stderr),
                  (NOSPC, b"write: No space left on device\n"))


def test_disk_full():
    """A file that may not grow further: all that fits is in it."""
    limit = 1000000

    def before():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    file, (reader, writer) = Output("file", "stdout"), os.pipe()
    status = start([program, "spam", "3000000"], subprocess.DEVNULL, file.fd,
                   writer, before).wait(LIMIT_S)
    os.close(writer)
    text = os.read(reader, 1000)
    os.close(reader)
    return expect((status, text, len(file.close())),
                  (9, b"write: File too large\n", limit))


# Around what the channel of metal takes at once, and more.
WHOLE = (131072, 131073, 200000, 1 << 20)


def whole(size, stdout, limit=resource.RLIM_INFINITY):
    """What the program says of ten writes of this size."""
    def before():
        resource.setrlimit(resource.RLIMIT_FSIZE,
                           (limit, resource.RLIM_INFINITY))

    reader, writer = os.pipe()
    process = start([program, "whole", str(size)], subprocess.DEVNULL, stdout,
                    writer, before)
    os.close(writer)
    with open(reader, "rb") as text:
        said = text.read()
    return process.wait(LIMIT_S), said


def test_whole(kind, size):
    """Each write fails, however much it is."""
    output = Output(kind, "stdout")
    found = whole(size, output.fd)
    output.close()
    return expect(found, (0, b"10 failed, 0 taken\n"))


def test_whole_limited(size):
    """What was taken is in the file, and the others failed."""
    limit = 1000000
    file = Output("file", "stdout")
    found = whole(size, file.fd, limit)
    failed_calls = 10 - -(-limit // size)
    return expect((found, len(file.close())),
                  ((0, f"{failed_calls} failed, {limit} taken\n".encode()),
                   limit))


def test_reader_leaves():
    """EPIPE at the next write after the reader has left."""
    reader, writer = os.pipe()
    process = subprocess.Popen(nebulet + [program, "spam", "100000000"],
                               stdin=subprocess.DEVNULL, stdout=writer,
                               stderr=subprocess.PIPE)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    text = process.stderr.read()
    process.stderr.close()
    return expect((process.wait(LIMIT_S), text),
                  (PIPE, b"write: Broken pipe\n"))


def test_fill(kind):
    """A write that may not wait says so where nobody reads; all that it took
    arrives."""
    output = Output(kind, "stdout")
    reader, writer = os.pipe()
    process = start([program, "fill"], subprocess.DEVNULL, output.fd, writer)
    os.close(writer)
    if kind != "terminal":
        os.close(output.fd)
    with open(reader, "rb") as text:
        line = text.readline()
    if not line.strip().isdigit():
        os.close(output.reader)
        return f"{line!r}, status {process.wait(LIMIT_S)}"
    size, arrived = int(line), b""
    while len(arrived) < size + 5:
        piece = os.read(output.reader, 65536)
        if not piece:
            break
        arrived += piece
    status = process.wait(LIMIT_S)
    os.close(output.reader)
    if kind == "terminal":
        os.close(output.fd)
    return expect((status, size > 0, len(arrived), arrived[size:]),
                  (0, True, size + 5, b"last\n"))


def test_insist(kind):
    """No write succeeds where nothing can be written."""
    output = Output(kind, "stdout")
    status = start([program, "insist", "10"], subprocess.DEVNULL, output.fd,
                   subprocess.DEVNULL).wait(LIMIT_S)
    output.close()
    return expect(status, 10 if output.error else 0)


def test_late():
    """A program that writes nothing is not ended by the reader's leaving."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(nebulet + [program, "late"], stdout=writer,
                          stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
    os.close(writer)
    return expect((done.returncode, done.stderr), (0, b"work done\n"))


def test_status(number, want):
    return expect(run([program, "exit", number]), (want, "", ""))


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(word) for word in text.split()]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_flags_after_kill():
    """Nothing changes the flags of files that we share, not even for a while;
    and QEMU does not outlive us."""
    reader, writer = os.pipe()
    before = flags_of(reader, writer)
    process = subprocess.Popen(nebulet + [program, "copy"], stdin=reader,
                               stdout=writer, stderr=writer)
    os.write(writer, b"x" * 100)  # it copies the pipe to itself for ever
    during = flags_of(reader, writer)
    kids = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    problem = expect([during, flags_of(reader, writer)], [before, before])
    os.close(reader)
    os.close(writer)
    for kid in kids:
        while problem is None and b"qemu" in command_line(kid):
            time.sleep(0.01)
    return problem


def test_interrupt():
    """^C ends it, and prints no line of QEMU's."""
    process = subprocess.Popen(nebulet + [program, "late"],
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    while port == "metal" and not children(process.pid):
        pass
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=LIMIT_S)
    return expect((process.returncode, text),
                  (-signal.SIGINT, (b"", b"")))


def state_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return ""
    return text.rpartition(")")[2].split()[0]


def test_stop():
    """^Z stops it, QEMU too, and it goes on."""
    reader, writer = os.pipe()
    process = subprocess.Popen(nebulet + [program, "copy"], stdin=reader,
                               stdout=subprocess.PIPE)
    os.write(writer, b"one\n")
    text = process.stdout.readline()
    process.send_signal(signal.SIGTSTP)
    for pid in [process.pid] + children(process.pid):
        while state_of(pid) != "T":
            time.sleep(0.01)
    os.write(writer, b"two\n")
    os.close(writer)
    os.close(reader)
    process.send_signal(signal.SIGCONT)
    text += process.stdout.read()
    process.stdout.close()
    return expect((process.wait(LIMIT_S), text), (0, b"one\ntwo\n"))


def test_timeout(mode, stop):
    """124, even when nobody reads our output or the guest is stuck."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        nebulet + ["--timeout", "1s", program] + mode,
        stdin=reader, stdout=writer, stderr=subprocess.DEVNULL)
    while stop and not children(process.pid):
        pass
    for kid in children(process.pid) if stop else []:
        os.kill(kid, signal.SIGSTOP)
    status = process.wait(LIMIT_S)
    os.close(reader)
    os.close(writer)
    return expect(status, 124)


def fill(fd):
    """Write until a pipe is full."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    os.set_blocking(fd, False)
    try:
        while os.write(fd, b"x" * 4096):
            pass
    except BlockingIOError:
        pass
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)


def test_timeout_module(words, full):
    """124 also while the command reads a module that never comes, and when
    stderr takes no message."""
    fifo = work / "fifo"
    os.mkfifo(fifo)
    reader, writer = os.pipe()
    if full:
        fill(writer)
    process = subprocess.Popen(nebulet + ["--timeout", "200ms", str(fifo)] +
                               words, stdin=subprocess.DEVNULL, stderr=writer)
    status = process.wait(LIMIT_S)
    fifo.unlink()
    os.close(reader)
    os.close(writer)
    return expect(status, 124)


def results_program():
    """A module whose function `add` has a result, which the command prints."""
    path = work / "results.wat"
    path.write_text("""(module (func (export "add") (param i32 i32)
        (result i32) (i32.add (local.get 0) (local.get 1))))""")
    return str(path)


def test_timeout_results():
    """124 also while a result of --invoke is printed to whom nobody reads."""
    reader, writer = os.pipe()
    fill(writer)
    process = subprocess.Popen(
        nebulet + ["--timeout", "1s", "--invoke", "add", results_program(),
                   "1", "2"],
        stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL)
    status = process.wait(LIMIT_S)
    os.close(reader)
    os.close(writer)
    return expect(status, 124)


LOG_LINES = 200000


def test_log_unread():
    """The log's reader has stopped: the program goes on; and when it reads
    again there are all lines in order, or the number of those lost."""
    process = subprocess.Popen(nebulet + [program, "log", str(LOG_LINES)],
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ready = select.select([process.stdout], [], [], LIMIT_S)[0]
    if not ready:
        process.kill()
        process.wait()
        return "it stands still"
    text = process.communicate(timeout=LIMIT_S)[1].decode()
    at = 0
    for line in text.splitlines():
        words = line.split()
        if words[0] == "nebulet:" and words[2:] == "lines of the log are lost".split():
            at += int(words[1])
        elif words[-2:] == ["line", str(at)]:
            at += 1
        else:
            return f"{line!r} where line {at} should be"
    return expect(at, LOG_LINES)


# --- commands of ours ----------------------------------------------------------

OUR_ERRORS = {"full": b"o space left", "readonly": b"Bad file|is closed",
              "unread": b"roken pipe|end is closed"}


def test_command(args, stream, kind):
    """Commands of ours whose output fails."""
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    output = Output(kind, "output")
    streams[stream] = output.fd
    done = subprocess.run([nebulet[0]] + args, stdin=subprocess.DEVNULL,
                          timeout=LIMIT_S, check=False, **streams)
    os.close(output.fd)
    if done.returncode == 0:
        return "ended with 0"
    if stream == "stdout" and done.returncode != -signal.SIGPIPE and \
            not re.search(OUR_ERRORS[kind], done.stderr):
        return f"said {done.stderr}"
    return None


def all_commands():
    script = out / "suite/core/i32.json"
    table = [(args, "stdout") for args in (
        ["--help"], ["--version"], ["run", "--help"], ["help", "files"],
        ["help", "--dir"], ["manual"], ["completion", "zsh"],
        ["dump", program], ["compile", "--time", program],
        ["compile", "--hash", program], ["verify", "--time", program],
        nebulet[1:] + ["--invoke", "add", results_program(), "1", "2"])]
    if script.exists():
        table.append((["wast", "--on", port, str(script)], "stdout"))
    if port == "metal":
        table.append((["selftest"], "stderr"))
    for args, stream in table:
        for kind in ("full", "readonly", "unread"):
            if stream == "stderr" and kind == "unread":
                continue  # a log that nobody reads is no loss
            name = f"{' '.join(args)}: {kind} {stream}"
            if wanted(name):
                verdict(name, test_command(args, stream, kind))


def all_ends():
    table = [("full device", test_spam_full, ()),
             ("full file", test_disk_full, ()),
             ("reader leaves", test_reader_leaves, ()),
             ("late", test_late, ()), ("interrupt", test_interrupt, ()),
             ("stop", test_stop, ()),
             ("flags", test_flags_after_kill, ()),
             ("log unread", test_log_unread, ()),
             ("timeout, no module", test_timeout_module, ([], False)),
             ("timeout, no module, full stderr", test_timeout_module,
              (["--env"], True)),
             ("timeout, results", test_timeout_results, ())]
    table += [(f"whole {kind} {size}", test_whole, (kind, size))
              for kind in ("full", "unread", "readonly", "closed")
              for size in WHOLE]
    table += [(f"whole file {size}", test_whole_limited, (size,))
              for size in WHOLE]
    table += [(f"insist {kind}", test_insist, (kind,)) for kind in OUTPUTS]
    table += [(f"fill {kind}", test_fill, (kind,))
              for kind in ("pipe", "socket", "terminal")]
    table += [(f"status {number}", test_status, (number, want))
              for number, want in (("0", 0), ("7", 7), ("255", 255),
                                   ("256", 1), ("257", 1), ("0x80000000", 1),
                                   ("0xffffff00", 1))]
    table += [(f"timeout {mode[0]}", test_timeout, (mode, False))
              for mode in (["spam", "300000000"], ["hang"], ["copy"],
                           ["sleep", "1000000"])]
    if port == "metal":
        table.append(("timeout, QEMU stopped", test_timeout, (["hang"], True)))
    for name, test, args in table:
        if wanted("end " + name):
            verdict("end " + name, test(*args))


all_pairs()
all_inputs()
all_ends()
all_commands()
subprocess.run(["rm", "-rf", str(work)], check=False)
end()
