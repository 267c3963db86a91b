#!/usr/bin/python3
"""network-churn.py DIR NETWORKS CONTAINERS KILLS HOYD [ARG...]: containers go on networks and off them, eight at a time,
while hoyd, hoy-net and hoy-dns are killed at random.

At the end what the kernel has must be what hoyd says: addresses once each and in the containers, as many veth pairs, rules and
reserved ports as endpoints and ports, every name answered. Then all is removed, and nothing may be left. Prints what is wrong, a
line each; exit status 1 when something is."""
import collections, http.client, os, random, re, signal, subprocess, sys, threading, time

sys.dont_write_bytecode = True
import hoyd_api

DIR, NETWORKS, CONTAINERS, KILLS, HOYD = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dns-tool.py")
WORKERS = 8
wrong = []
hoyds = []


def call(method, path, body=None):
    status, data = hoyd_api.call(DIR + "/hoy.sock", method, path, body)
    return status, hoyd_api.decoded(data)


def attempt(method, path, body=None):
    """Until hoyd is there to answer it. A refusal is one: a killed hoyd may have done it, a killed hoy-net may have failed it."""
    end = time.monotonic() + 120
    while True:
        try:
            status, data = call(method, path, body)
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise SystemExit("%s %s: hoyd does not answer" % (method, path))
            time.sleep(0.05)
            continue
        return status, data


def must(method, path, body=None):
    status, data = attempt(method, path, body)
    if status >= 400:
        raise SystemExit("%s %s: %d %s" % (method, path, status, data))
    return data


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120).stdout


def helpers(name):
    return [int(pid) for pid in output("pgrep", "-f", "^%s %s/" % (name, DIR)).split()]


def wait_until(what, condition, *args):
    end = time.monotonic() + 120
    while not condition(*args):
        if time.monotonic() > end:
            wrong.append("waited in vain: " + what)
            return False
        time.sleep(0.05)
    return True


def start():
    with open(DIR + "/hoyd.log", "ab") as log:
        hoyds.append(subprocess.Popen(HOYD, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    return hoyds[-1]


def answers():
    try:
        return call("GET", "/_ping")[0] == 200
    except OSError:
        return False


# --- the churn ------------------------------------------------------------------------------------


def create(name):
    """On the first network of its own choice, published on any port; what is left of an earlier try goes first."""
    attempt("DELETE", "/containers/%s?force=1" % name)
    attempt("POST", "/containers/create?name=" + name, {
        "Image": "busybox", "Cmd": ["sleep", "100000"], "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {"NetworkMode": "net%d" % random.randrange(NETWORKS), "PortBindings": {"80/tcp": [{"HostPort": "0"}]}}})
    attempt("POST", "/containers/%s/start" % name)


def churn(names, done):
    while not done.is_set():
        name, network = random.choice(names), "net%d" % random.randrange(NETWORKS)
        what = random.randrange(6)
        if what < 2:
            attempt("POST", "/networks/%s/connect" % network, {"Container": name})
        elif what < 4:
            attempt("POST", "/networks/%s/disconnect" % network, {"Container": name})
        elif what == 4:
            attempt("POST", "/containers/%s/restart?t=0" % name)
        else:
            create(name)


def runs(name):
    status, look = attempt("GET", "/containers/%s/json" % name)
    return status == 200 and look["State"]["Running"]


def run_churn(hoyd):
    names = ["c%d" % i for i in range(CONTAINERS)]
    done = threading.Event()
    for i in range(NETWORKS):
        must("POST", "/networks/create", {"Name": "net%d" % i, "IPAM": {"Config": [{"Subnet": "10.77.%d.0/24" % i}]}})
    threads = [threading.Thread(target=churn, args=(names[i::WORKERS], done)) for i in range(min(WORKERS, CONTAINERS))]
    for name in names:
        create(name)
    for thread in threads:
        thread.start()
    for i in range(KILLS):
        time.sleep(random.uniform(0.05, 0.6))
        victim = ("hoyd", "hoy-net", "hoy-dns", "both")[i % 4]
        for pid in helpers("hoy-net") * (victim in ("hoy-net", "both")) + helpers("hoy-dns") * (victim in ("hoy-dns", "both")):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if victim in ("hoyd", "both"):
            hoyd.kill()
            hoyd.wait()
            hoyd = start()
            wait_until("hoyd answers", answers)
    done.set()
    for thread in threads:
        thread.join()
    for name in names:  # what a kill has stopped half-way: all run at the end
        if not runs(name):
            create(name)
        if not must("GET", "/containers/%s/json" % name)["NetworkSettings"]["Networks"]:
            must("POST", "/networks/net0/connect", {"Container": name})
    return hoyd, names


# --- what there is against what hoyd says ---------------------------------------------------------------


def looks(names):
    return {name: must("GET", "/containers/%s/json" % name) for name in names}


def addresses_inside(look):
    inside = output("nsenter", "-t", str(look["State"]["Pid"]), "-n", "ip", "-4", "-o", "addr")
    return sorted(re.findall(r"eth\d+ +inet (10\.77\.[0-9.]+)/", inside))


def check(names):
    seen = looks(names)
    addresses = collections.Counter()
    endpoints = ports = 0
    for name, look in seen.items():
        want = sorted(e["IPAddress"] for e in look["NetworkSettings"]["Networks"].values())
        # what a kill cut short is made whole behind the first answers of the new hoyd
        if not wait_until("%s has its addresses" % name, lambda: addresses_inside(look) == want):
            wrong.append("%s: hoyd says %s, it has %s" % (name, want, addresses_inside(look)))
        addresses.update(want)
        endpoints += len(want)
        bound = [b for list_ in look["NetworkSettings"]["Ports"].values() for b in list_ or []]
        ports += len(bound)
        for b in bound:
            if "tcp . %s : " % b["HostPort"] not in output("nft", "list", "ruleset"):
                wrong.append("%s: no rule for port %s" % (name, b["HostPort"]))
            if ":%s " % b["HostPort"] not in output("ss", "-Hltn"):
                wrong.append("%s: port %s is not reserved" % (name, b["HostPort"]))
    wrong.extend("%s is given %d times" % (a, n) for a, n in addresses.items() if n > 1)
    rules = len(re.findall(r"tcp \. \d+ : 10\.77\.", output("nft", "list", "ruleset")))
    if rules != ports:
        wrong.append("%d ports, %d rules for ports" % (ports, rules))
    wait_until("as many veth pairs as endpoints (%d)" % endpoints, lambda: veths() == endpoints)
    check_names(seen)


def veths():
    return len(re.findall(r"master br-", output("ip", "-o", "link", "show", "type", "veth")))


def check_names(seen):
    """Everybody is found by name by a neighbour on each network, and nobody else is."""
    on = collections.defaultdict(dict)
    for name, look in seen.items():
        for network, e in look["NetworkSettings"]["Networks"].items():
            on[network][name] = (e["IPAddress"], look["State"]["Pid"])
    for network, members in on.items():
        names = sorted(members)
        pid = members[names[0]][1]
        want = ["NOERROR " + members[name][0] for name in names]

        def answered():
            text = output("nsenter", "-t", str(pid), "-n", TOOL, "ask", "127.0.0.11", ",".join(n + "." + network for n in names), "A")
            return text.splitlines() == want

        wait_until("names on %s" % network, answered)


def main():
    hoyd = start()
    wait_until("hoyd answers", answers)
    hoyd, names = run_churn(hoyd)
    check(names)
    for kind in ("hoy-net", "hoy-dns"):
        if len(helpers(kind)) != 1:
            wrong.append("%s: %d of them run" % (kind, len(helpers(kind))))
        for pid in helpers(kind):
            limit = 64 + 2 * CONTAINERS + 9 * CONTAINERS * (kind == "hoy-dns")
            if len(os.listdir("/proc/%d/fd" % pid)) > limit:
                wrong.append("%s: %d descriptors" % (kind, len(os.listdir("/proc/%d/fd" % pid))))
    for name in names:
        must("DELETE", "/containers/%s?force=1" % name)
    for i in range(NETWORKS):
        must("DELETE", "/networks/net%d" % i)
    hoyd.terminate()
    hoyd.wait()
    wait_until("hoy-net and hoy-dns end", lambda: not helpers("hoy-net") + helpers("hoy-dns"))
    wait_until("no link is left", lambda: not re.search(r"veth|br-|hoy", output("ip", "-o", "link")))
    if output("nft", "list", "ruleset"):
        wrong.append("rules are left: " + output("nft", "list", "ruleset"))
    if output("ss", "-Hltun"):
        wrong.append("ports are left: " + output("ss", "-Hltun"))
    for line in wrong:
        print(line)
    raise SystemExit(1 if wrong else 0)


try:
    main()
finally:
    if hoyds:
        hoyds[-1].kill()
