#!/usr/bin/python3
"""survive.py DIR CONTAINERS KILLS HOYD [ARG...]: containers of all kinds live while their hoyd is killed at random.

The containers keep a record of their own in DIR/truth: what happened, whoever watched. At the end hoyd must know all of it:
exit codes, log lines, health, restart counts. Prints what is wrong, a line each; exit status 1 when something is."""
import os, random, signal, subprocess, sys, time

sys.dont_write_bytecode = True
import hoyd_api

DIR, COUNT, KILLS, HOYD = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
TRUTH, SOCKET = DIR + "/truth", DIR + "/hoy.sock"
LINES = 20
wrong = []

SLOW = max(1, COUNT // 30)  # the machine has other work: as many probes and lines a second, however many containers

# Each kind writes what it does to its log and, a byte a run, to a file of its own.
BEGIN = 'printf x >>/truth/$NAME; echo begin; '
PRINT = 'i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); done; ' % LINES
KINDS = {
    "crash": (BEGIN + PRINT + 'usleep %d; echo end; exit 3' % (400000 * SLOW), "always", 0),
    "retry": (BEGIN + PRINT + 'usleep 200000; echo end; exit 7', "on-failure", 3),
    "once": (BEGIN + PRINT + 'usleep %d; echo end; exit %d', "no", 0),
    "flap": (BEGIN + PRINT + 'exec sleep 100000', "unless-stopped", 0),
    "web": (BEGIN + 'trap "exit 0" TERM; i=0; while :; do echo line $i; i=$((i+1)); usleep %d; done' % (100000 * SLOW), "unless-stopped", 0),
}
ORDER = ["crash", "web", "once", "retry", "web", "flap", "once", "web", "crash", "once"]


def call(method, path, body=None):
    return hoyd_api.call(SOCKET, method, path, body)


def must(method, path, body=None):
    status, data = call(method, path, body)
    if status >= 300:
        raise SystemExit("%s %s: %d %s" % (method, path, status, data))
    return hoyd_api.decoded(data)


def wait_until(what, seconds, condition, *args):
    end = time.monotonic() + 4 * seconds
    while not condition(*args):
        if time.monotonic() > end:
            wrong.append("waited in vain: " + what)
            return False
        time.sleep(0.05)
    return True


class Daemon:
    def start(self):
        with open(DIR + "/hoyd.log", "ab") as log:
            self.process = subprocess.Popen(HOYD, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while True:
            if self.process.poll() is not None:
                raise SystemExit("hoyd ended by itself: %d" % self.process.returncode)
            try:
                if call("GET", "/_ping")[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                raise SystemExit("hoyd does not answer")
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def field(self, name):
        for line in open("/proc/%d/status" % self.process.pid):
            if line.startswith(name + ":"):
                return int(line.split()[1])


class Container:
    def __init__(self, number):
        self.kind = ORDER[number % len(ORDER)]
        self.name = "%s%d" % (self.kind, number)
        self.code = number % 200 + 1
        self.ok = number % 4 != 0  # whether the probe should succeed
        self.flips = self.kind == "web" and number % 3 == 0
        self.kills = 0
        script, policy, retries = KINDS[self.kind]
        if self.kind == "once":
            script %= (random.randrange(100000, 300000 * KILLS), self.code)
        body = {"Image": "busybox", "Cmd": ["sh", "-c", script], "Env": ["NAME=" + self.name, "TEST=" + DIR],
                "HostConfig": {"Binds": [TRUTH + ":/truth"], "NetworkMode": "bridge" if number % 8 == 0 else "none",
                               "RestartPolicy": {"Name": policy, "MaximumRetryCount": retries}}}
        if self.kind == "web":
            self.set_ok(self.ok)
            body["Healthcheck"] = {"Test": ["CMD-SHELL", "test -e /truth/$NAME.ok"], "Interval": 200000000 * SLOW, "Retries": 2, "Timeout": 60000000000}
        must("POST", "/containers/create?name=" + self.name, body)
        must("POST", "/containers/%s/start" % self.name)

    def set_ok(self, ok):
        self.ok = ok
        path = "%s/%s.ok" % (TRUTH, self.name)
        if ok:
            open(path, "w").close()
        elif os.path.exists(path):
            os.unlink(path)

    def look(self):
        return must("GET", "/containers/%s/json" % self.name)

    def runs(self):
        try:
            return os.path.getsize("%s/%s" % (TRUTH, self.name))
        except FileNotFoundError:
            return 0

    def wrong(self, text, *args):
        wrong.append(self.name + ": " + text % args)

    def log(self):
        _, data = call("GET", "/containers/%s/logs?stdout=1&stderr=1" % self.name)
        lines, at = b"", 0
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4:at + 8], "big")
            lines += data[at + 8:at + 8 + size]
            at += 8 + size
        return lines.decode().splitlines()

    # --- during the kills

    def health_is_sound(self):
        """What never failed is never seen failing, whoever counts; and the other way round."""
        health = self.look()["State"]["Health"]
        codes = [result["ExitCode"] for result in health["Log"]]
        if self.flips:
            return
        if self.ok and (health["Status"] == "unhealthy" or any(codes)):
            self.wrong("its probes succeed, but it is %s with %s", health["Status"], codes)
        if not self.ok and (health["Status"] == "healthy" or 0 in codes):
            self.wrong("its probes fail, but it is %s with %s", health["Status"], codes)

    def kill_process(self):
        """Ends a run, whether a hoyd is there or not. The next one must have begun before."""
        pids = subprocess.run(["pgrep", "-f", "^sleep 100000$"], capture_output=True, text=True).stdout.split()
        for pid in pids:
            try:
                environment = open("/proc/%s/environ" % pid, "rb").read().split(b"\0")
                if ("NAME=" + self.name).encode() in environment and ("TEST=" + DIR).encode() in environment:
                    os.kill(int(pid), signal.SIGKILL)
                    self.kills += 1
                    return
            except (FileNotFoundError, ProcessLookupError):
                pass

    # --- at the end

    def has_status(self):
        return self.look()["State"]["Health"]["Status"] == ("healthy" if self.ok else "unhealthy")

    def is_over(self):
        state = self.look()
        return state["State"]["Status"] == "exited" and (self.kind == "once" or state["RestartCount"] >= 3)

    def settle(self):
        if self.kind in ("once", "retry"):
            wait_until(self.name + " is over", 30 + KILLS, self.is_over)
        elif self.kind == "flap":
            wait_until(self.name + " runs again", 30, lambda: self.runs() == self.kills + 1)
        elif self.kind == "web":
            wait_until(self.name + " has the health it should have", 30, self.has_status)

    def check(self):
        look, lines, runs = self.look(), self.log(), self.runs()
        state, count = look["State"], look["RestartCount"]
        expect = {"once": (0, self.code), "retry": (3, 7), "web": (0, 0), "flap": (self.kills, 137), "crash": (runs - 1, None)}[self.kind]
        if state["Status"] != "exited":
            self.wrong("is %s", state["Status"])
        # The last run of those that start all the time may have been stopped before its first line.
        cut = 1 if self.kind == "crash" else 0
        if not runs - 1 <= count <= runs - 1 + cut or not expect[0] <= count <= expect[0] + cut:
            self.wrong("%d restarts, %d runs, expected %d restarts", count, runs, expect[0])
        if expect[1] is not None and state["ExitCode"] != expect[1]:
            self.wrong("exit code %d, expected %d", state["ExitCode"], expect[1])
        if not runs - cut <= lines.count("begin") <= runs:
            self.wrong("%d runs in its log, %d were", lines.count("begin"), runs)
        self.check_lines(lines)

    def check_lines(self, lines):
        """Every run's lines, in their order; only the last may have been cut."""
        runs = ("\n".join(lines) + "\n").split("begin\n")[1:]
        for i, run in enumerate(runs):
            got = [line for line in run.splitlines() if line != "end"]
            want = ["line %d" % n for n in range(len(got) if self.kind == "web" else LINES)]
            cut = i == len(runs) - 1 and self.kind == "crash"
            if got != (want[:len(got)] if cut else want):
                self.wrong("run %d of %d has lost lines: %s", i, len(runs), got[-3:])
            if self.kind in ("once", "retry", "crash") and not cut and not run.rstrip().endswith("end"):
                self.wrong("run %d of %d has no end", i, len(runs))


def flip_when_settled(container):
    if container.flips and container.has_status():
        container.set_ok(not container.ok)


def idle(daemon, seconds):
    """With nothing to do and nobody asking it is not woken."""
    before = daemon.field("voluntary_ctxt_switches"), daemon.field("nonvoluntary_ctxt_switches")
    time.sleep(seconds)
    return daemon.field("voluntary_ctxt_switches") - before[0]


def main():
    os.makedirs(TRUTH, exist_ok=True)
    random.seed(os.environ.get("HOY_SEED", time.time_ns() % 1000000))
    daemon = Daemon()
    daemon.start()
    try:
        run(daemon)
    finally:
        daemon.kill()
    for text in wrong:
        print("survive: " + text)
    sys.exit(1 if wrong else 0)


def run(daemon):
    containers = [Container(n) for n in range(COUNT)]
    for _ in range(KILLS):
        time.sleep(random.uniform(0.02, 0.8))
        daemon.kill()
        for c in random.sample(containers, len(containers) // 5):
            if c.kind == "flap" and c.runs() == c.kills + 1:
                c.kill_process()
        daemon.start()
        for c in random.sample(containers, len(containers) // 5):
            if c.kind == "web":
                c.health_is_sound()
                flip_when_settled(c)
    for c in containers:
        c.settle()
    time.sleep(1)
    before = daemon.field("VmRSS")
    time.sleep(4 if KILLS < 50 else 60)
    grown = daemon.field("VmRSS") - before
    if grown > 512 and not os.environ.get("HOY_SANITIZED"):
        wrong.append("hoyd has grown by %d KiB from %d while it did nothing but probe" % (grown, before))
    for c in containers:
        if c.kind in ("web", "flap", "crash"):
            c.wait = must("POST", "/containers/%s/stop?t=%d" % (c.name, 100 if c.kind == "web" else 0))
    for c in containers:
        c.check()
    must("POST", "/containers/flap5/start")
    time.sleep(1)
    woken = idle(daemon, 3 if KILLS < 50 else 10)
    if woken:
        wrong.append("hoyd was woken %d times with nothing to do" % woken)
    print("survive: %d containers, %d kills, %d runs; hoyd has %d KiB" % (COUNT, KILLS, sum(c.runs() for c in containers), daemon.field("VmRSS")))

main()
