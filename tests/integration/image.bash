# Shared by the image suites: `load lib; load image`.
MAKE_LAYER=$TOP/tests/integration/make-layer
MAKE_IMAGE=$TOP/tests/integration/make-image

# layer OP TARGET [OPTIONS]: one request to hoy-layer; input on stdin.
layer() {
    timeout 60 "$HOY_BUILD/tests/integration/drive-layer" "$HOY_BUILD/hoy-layer" "$@"
}

# apply ENTRY...: a layer of these entries unpacked into $T/out; $output and $status as `run` leaves them.
apply() {
    mkdir -p "$T/out"
    "$MAKE_LAYER" "$@" >"$T/layer.tar"
    run layer apply "$T/out" <"$T/layer.tar"
}

# images COMMAND...: the image store in $T/data.
images() {
    mkdir -p "$T/data"
    timeout 60 "$HOY_BUILD/tests/integration/drive-images" "$HOY_BUILD/hoy-layer" "$T/data" "$@"
}

# tree DIR: a line per file: path, type, mode, owner, size or device or target, mtime; then its xattrs.
tree() {
    python3 - "$1" <<'PY'
import os, stat, sys
top = sys.argv[1]
def show(path, name):
    st = os.lstat(path)
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
            stat.S_IFCHR: "chr", stat.S_IFBLK: "blk"}[stat.S_IFMT(st.st_mode)]
    extra = {"file": st.st_size, "link": "", "dir": "", "fifo": ""}.get(kind, "%d:%d" % (
        os.major(st.st_rdev), os.minor(st.st_rdev)))
    if kind == "link":
        extra = os.readlink(path)
    xattrs = " ".join("%s=%s" % (n, os.getxattr(path, n, follow_symlinks=False).hex())
                      for n in sorted(os.listxattr(path, follow_symlinks=False)))
    print(name, kind, "%04o" % stat.S_IMODE(st.st_mode), "%d:%d" % (st.st_uid, st.st_gid), extra, st.st_mtime_ns, xattrs)
show(top, ".")
for directory, dirs, files in os.walk(top):
    dirs.sort()
    for name in sorted(dirs + files):
        path = os.path.join(directory, name)
        show(path, os.path.relpath(path, top))
PY
}

# store_is_clean: no temporary or trash left, and files and rows name each other.
store_is_clean() {
    python3 - "$T/data" <<'PY'
import os, sqlite3, sys
root = sys.argv[1]
db = sqlite3.connect("file:%s/db?mode=ro" % root, uri=True)
digits = "0123456789abcdefghijklmnopqrstuvwxyz"
def base36(n):
    return base36(n // 36).lstrip("0") + digits[n % 36] if n >= 36 else digits[n]
def same(what, files, rows):
    if files != rows:
        sys.exit("%s: only files %s, only rows %s" % (what, sorted(files - rows), sorted(rows - files)))
blobs = dict(db.execute("SELECT digest, size FROM blobs"))
same("blobs", {"sha256:" + n for n in os.listdir(root + "/blobs/sha256")}, set(blobs))
for digest, size in blobs.items():
    path = root + "/blobs/sha256/" + digest[7:]
    if os.stat(path).st_size != size:
        sys.exit("%s has not %d bytes" % (path, size))
    import hashlib
    if hashlib.sha256(open(path, "rb").read()).hexdigest() != digest[7:]:
        sys.exit("%s is not what its name says" % path)
same("layers", set(os.listdir(root + "/l")) - {"0"}, {base36(n) for n, in db.execute("SELECT number FROM layers")})
same("used blobs", set(blobs), {d for d, in db.execute("SELECT digest FROM image_blobs")})
used = set()
chains = {c: p for c, p in db.execute("SELECT chain_id, parent FROM layers")}
for chain, in db.execute("SELECT chain_id FROM images"):
    while chain:
        used.add(chain)
        chain = chains[chain]
same("used layers", set(chains), used)
for name in "tmp",:
    if os.listdir(root + "/" + name):
        sys.exit("%s holds %s" % (name, os.listdir(root + "/" + name)))
PY
}
