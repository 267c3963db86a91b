# Many containers at once under Debian's containerd, and what they leave: nothing.
load containerd

@test "hundreds of containers, eight at a time: each gives its exit code, nothing is left" {
    run_c --rm -- true
    before=$(what_is_left)
    files_before=$(ls "/proc/$(cat "$D/pid")/fd" | wc -l)
    one() {
        status=0
        timeout 120 ctr -a "$D/c.sock" -n "$NS" run --rm --runtime io.containerd.hoy.v2 --fifo-dir "$D/fifo" --env PATH=/bin \
            --rootfs "$D/rootfs" "r$1" sh -c "exit $(($1 % 200))" </dev/null || status=$?
        [ $status = $(($1 % 200)) ] || echo "$1: $status"
    }
    export -f one
    seq "${HOY_RUNS:-48}" | xargs -P 8 -I{} bash -c 'one {}' >"$D/wrong" 2>&1 3>&- 4>&-
    cat "$D/wrong"
    [ ! -s "$D/wrong" ]
    wait_for 10 no_shims
    diff <(echo "$before") <(what_is_left)
    # and containerd holds no more of us than before
    [ "$(ls "/proc/$(cat "$D/pid")/fd" | wc -l)" -le $((files_before + 8)) ]
}
