/* The small parts of hoyrun: options, state files, messages, matched texts, passwd and overlay options. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/runtime.h"
#include "runtime/apply/cgroup.h"
#include "runtime/child/overlay.h"
#include "runtime/child/passwd.h"
#include "runtime/cli/command.h"
#include "runtime/state/state.h"
#include "runtime/sync.h"
#include "runtime/texts.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_files(void);
Suite *suite_runtime_options(void);
Suite *suite_runtime_state(void);
Suite *suite_runtime_sync(void);
Suite *suite_runtime_texts(void);

/* --- options --- */

struct values {
	bool flag;
	const char *text;
	unsigned int number;
	const char *list[HOY_MAX_STRINGS];
};
static const struct hoy_option table[] = {
	HOY_OPTION(struct values, "flag", 'f', FLAG, flag, ""),
	HOY_OPTION(struct values, "text", 't', STRING, text, ""),
	HOY_OPTION(struct values, "number", 0, UINT, number, ""),
	HOY_OPTION(struct values, "list", 'l', STRINGS, list, ""),
};

static int parse(char **argv, bool stop, struct values *v, char ***rest, struct hoy_err *err)
{
	*v = (struct values){};
	return hoy_options_parse(table, ARRAY_LEN(table), stop, argv, v, rest, err);
}

START_TEST(options_come_in_all_spellings_and_places)
{
	char *argv[] = { "-f", "id", "--text=a=b", "-l", "1", "--list", "2", "-number", "7", "arg", NULL };
	struct values v;
	char **rest;

	ck_assert_int_eq(parse(argv, false, &v, &rest, NULL), 0);
	ck_assert(v.flag);
	ck_assert_str_eq(v.text, "a=b");
	ck_assert_uint_eq(v.number, 7);
	ck_assert_str_eq(v.list[0], "1");
	ck_assert_str_eq(v.list[1], "2");
	ck_assert_str_eq(rest[0], "id");
	ck_assert_str_eq(rest[1], "arg");
	ck_assert_ptr_null(rest[2]);
}
END_TEST

START_TEST(what_follows_the_id_may_belong_to_the_program)
{
	char *argv[] = { "--flag=false", "id", "-x", "--text", NULL };
	char *dashes[] = { "--", "-f", NULL };
	struct values v;
	char **rest;

	ck_assert_int_eq(parse(argv, true, &v, &rest, NULL), 0);
	ck_assert(!v.flag);
	ck_assert_str_eq(rest[1], "-x");
	ck_assert_str_eq(rest[2], "--text");
	ck_assert_int_eq(parse(dashes, false, &v, &rest, NULL), 0);
	ck_assert(!v.flag);
	ck_assert_str_eq(rest[0], "-f");
}
END_TEST

START_TEST(option_mistakes_name_the_option)
{
	char *unknown[] = { "--nosuch", NULL }, *missing[] = { "--text", NULL }, *bad[] = { "--number", "x", NULL };
	struct hoy_err err;
	struct values v;
	char **rest;

	ck_assert_int_eq(parse(unknown, false, &v, &rest, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "unknown option '--nosuch'");
	ck_assert_int_eq(parse(missing, false, &v, &rest, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "flag needs an argument: --text");
	ck_assert_int_eq(parse(bad, false, &v, &rest, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "option --number: invalid value 'x'");
}
END_TEST

Suite *suite_runtime_options(void)
{
	const TTest *const tests[] = { options_come_in_all_spellings_and_places,
		what_follows_the_id_may_belong_to_the_program, option_mistakes_name_the_option };

	return hoy_unit_suite("runtime options", tests, ARRAY_LEN(tests));
}

/* --- state --- */

START_TEST(ids_are_checked)
{
	static const char *const good[] = { "a", "web-1", "x.y_z+9", "..." };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "\xc3\xa4", "a\n" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_int_eq(hoy_state_check_id(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(hoy_state_check_id(bad[i], NULL), -EINVAL);
}
END_TEST

START_TEST(a_state_survives_print_and_parse)
{
	static char id[] = "web", bundle[] = "/b", cgroup[] = "line", key[] = "k", value[] = "v";
	struct hoy_oci_kv kv = { key, value };
	const struct hoy_state state = { .version = 1,
		.id = id,
		.bundle = bundle,
		.cgroup = cgroup,
		.owner = 5,
		.pid = 77,
		.start_time = 18446744073709551615ULL,
		.own_pid_ns = true,
		.annotations = &kv,
		.n_annotations = 1 };
	auto_(hoy_state_done) struct hoy_state back = { .dir = -EBADF };
	auto_(hoy_buf_done) struct hoy_buf text = {};

	ck_assert_int_eq(hoy_state_print(&state, &text, NULL), 0);
	ck_assert_int_eq(hoy_state_parse(text.data, text.len, &back, NULL), 0);
	ck_assert(back.read);
	ck_assert_str_eq(back.id, "web");
	ck_assert_str_eq(back.cgroup, "line");
	ck_assert_int_eq(back.pid, 77);
	ck_assert_uint_eq(back.start_time, state.start_time);
	ck_assert(back.own_pid_ns && !back.has_hooks);
	ck_assert_str_eq(back.annotations[0].value, "v");
}
END_TEST

START_TEST(a_newer_state_is_refused_an_unknown_member_is_not)
{
	static const char newer[] = "{\"version\":2,\"id\":\"x\"}",
			  more[] = "{\"version\":1,\"id\":\"x\",\"future\":1}";
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	struct hoy_err err;

	ck_assert_int_eq(hoy_state_parse(newer, strlen(newer), &state, &err), -EOPNOTSUPP);
	ck_assert_str_eq(err.msg, "state version 2 is newer than this hoyrun");
	ck_assert_int_eq(hoy_state_parse(more, strlen(more), &state, NULL), 0);
}
END_TEST

START_TEST(a_pid_that_was_used_again_is_not_the_container)
{
	struct hoy_state state = { .dir = -EBADF, .read = true, .pid = getpid() };
	struct hoy_process_stat stat = { .zombie = true };
	auto_fd int pidfd = -EBADF;

	ck_assert_int_eq(hoy_process_stat(getpid(), &stat), 0);
	ck_assert(!stat.zombie);
	state.start_time = stat.start_time;
	pidfd = hoy_state_pidfd(&state);
	ck_assert_int_ge(pidfd, 0);
	state.start_time++;
	ck_assert_int_eq(hoy_state_pidfd(&state), -ESRCH);
	ck_assert_int_eq(hoy_state_status(&state), HOY_STATUS_STOPPED);
	state.pid = 0;
	ck_assert_int_eq(hoy_state_status(&state), HOY_STATUS_CREATING);
}
END_TEST

/* What `load` makes of a state.json with this text appended. */
static int pid_after(struct hoy_state *s, const char *root, const char *text)
{
	auto_(hoy_state_done) struct hoy_state back = { .dir = -EBADF };
	auto_fd int fd = openat(s->dir, "state.json", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_eq(hoy_fd_write_all(fd, text, strlen(text)), 0);
	ck_assert_int_eq(hoy_state_load(root, "web", /* lock= */ false, &back, NULL), 0);
	return back.read ? back.pid : -1;
}

START_TEST(the_last_whole_line_of_a_state_counts)
{
	char root[] = "/tmp/test-state-XXXXXX", long_id[3000] = "", text[4000];
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(hoy_state_create(root, "web", &state, NULL), 0);
	ck_assert_int_eq(pid_after(&state, root, ""), -1);
	ck_assert_int_eq(pid_after(&state, root, "{\"version\":1,\"id\":\"we"), -1);
	ck_assert_int_eq(pid_after(&state, root, "b\"}\n"), 0);
	state.pid = 7;
	ck_assert_int_eq(hoy_state_save(&state, NULL), 0);
	ck_assert_int_eq(pid_after(&state, root, ""), 7);
	ck_assert_int_eq(pid_after(&state, root, "{\"version\":1,\"id\":\"web\",\"pid\":8}"), 7);
	ck_assert_int_eq(pid_after(&state, root, "\n"), 8);
	memset(long_id, 'x', sizeof long_id - 1); /* longer than what is read at once */
	(void) snprintf(text, sizeof text, "{\"version\":1,\"id\":\"%s\",\"pid\":9}\n", long_id);
	ck_assert_int_eq(pid_after(&state, root, text), 9);
	ck_assert_int_eq(pid_after(&state, root, "{\"version\":1,\"id\":\"web\",\"pid\":10}\n"), 10);
	ck_assert_int_eq(hoy_state_remove(root, &state, NULL), 0);
	ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

static int make_state(const char *root, const char *id, struct hoy_state *ret)
{
	struct hoy_process_stat stat;
	int r = hoy_state_create(root, id, ret, NULL);

	if (r == 0)
		r = hoy_process_stat(getpid(), &stat);
	if (r < 0)
		return r;
	ret->pid = getpid();
	ret->start_time = stat.start_time;
	return 0;
}

START_TEST(who_only_looks_sees_what_a_load_sees)
{
	char root[] = "/tmp/hoy-unit-XXXXXX";
	auto_(hoy_state_done) struct hoy_state made = { .dir = -EBADF }, unfinished = { .dir = -EBADF },
					       looked = { .dir = -EBADF }, creating = { .dir = -EBADF };
	struct hoy_err err;

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(make_state(root, "web", &made), 0);
	ck_assert_int_eq(hoy_state_save(&made, NULL), 0);
	ck_assert_int_eq(hoy_state_create(root, "early", &unfinished, NULL), 0);

	ck_assert_int_eq(hoy_state_look(root, "web", &looked, NULL), 0);
	ck_assert(looked.read && looked.dir < 0);
	ck_assert_int_eq(looked.pid, getpid());
	ck_assert_int_eq(hoy_state_status(&looked), HOY_STATUS_RUNNING);
	ck_assert_int_eq(hoy_state_look(root, "early", &creating, NULL), 0);
	ck_assert(!creating.read);
	ck_assert_int_eq(hoy_state_look(root, "none", &creating, &err), -ENOENT);
	ck_assert_str_eq(err.msg, TEXT_NOT_FOUND);
	ck_assert_int_eq(hoy_state_look(root, "../web", &creating, NULL), -EINVAL);

	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, root, NULL), 0);
}
END_TEST

/* More than are open at a time, beside them some that are odd. */
START_TEST(who_looks_at_many_sees_each_as_it_is)
{
	char root[] = "/tmp/hoy-unit-XXXXXX", id[16];
	auto_(hoy_state_done) struct hoy_state unfinished = { .dir = -EBADF };
	static char early[] = "early", none[] = "none", outside[] = "../web0", some[] = "web0";
	char *odd[] = { early, none, outside, some };
	auto_(hoy_look_done) struct hoy_look look;
	struct hoy_seen seen[HOY_LOOK_MAX];

	ck_assert_ptr_nonnull(mkdtemp(root));
	ck_assert_int_eq(hoy_state_create(root, "early", &unfinished, NULL), 0);
	for (int i = 0; i < 300; i++) {
		auto_(hoy_state_done) struct hoy_state made = { .dir = -EBADF };

		(void) snprintf(id, sizeof id, "web%d", i);
		ck_assert_int_eq(make_state(root, id, &made), 0);
		made.start_time += (uint64_t) i % 2; /* every other one is another process's */
		ck_assert_int_eq(hoy_state_save(&made, NULL), 0);
	}
	hoy_look_init(&look, root);
	for (int i = 0; i < 300; i++) {
		char *ids[] = { id };

		(void) snprintf(id, sizeof id, "web%d", i);
		hoy_look_at(&look, ids, 1, seen);
		ck_assert_str_eq(seen[0].state.id, id);
		ck_assert_int_eq(seen[0].status, i % 2 ? HOY_STATUS_STOPPED : HOY_STATUS_RUNNING);
		hoy_seen_done(seen, 1);
	}
	hoy_look_at(&look, odd, ARRAY_LEN(odd), seen);
	ck_assert_str_eq(seen[0].state.id, "early");
	ck_assert_int_eq(seen[0].status, HOY_STATUS_CREATING);
	ck_assert_ptr_null(seen[1].state.id);
	ck_assert_ptr_null(seen[2].state.id);
	ck_assert_int_eq(seen[3].status, HOY_STATUS_RUNNING);
	hoy_seen_done(seen, ARRAY_LEN(odd));
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, root, NULL), 0);
}
END_TEST

/* Saves a state of `pid` with its handle, created `late_s` seconds after the process. */
static void save_with_handle(const char *root, const char *id, pid_t pid, int late_s)
{
	auto_(hoy_state_done) struct hoy_state made = { .dir = -EBADF };
	struct timespec now, up, created;
	struct hoy_process_stat stat;
	auto_fd int pidfd = hoy_pidfd_open(pid);
	char text[HOY_TIME_MAX];

	ck_assert_int_eq(hoy_process_stat(pid, &stat), 0);
	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now) | clock_gettime(CLOCK_BOOTTIME, &up), 0);
	created = (struct timespec){ now.tv_sec - up.tv_sec + (time_t) stat.start_time / sysconf(_SC_CLK_TCK) + late_s,
		0 };
	hoy_time_format(&created, text);
	ck_assert_int_eq(hoy_state_create(root, id, &made, NULL), 0);
	made.created = strdup(text);
	made.pid = pid;
	made.start_time = stat.start_time + (pid == getpid()); /* by the start time it would be another's */
	made.started = true;
	ck_assert_int_eq(hoy_pidfd_handle(pidfd, &made.pid_handle), 0);
	ck_assert_int_eq(hoy_state_save(&made, NULL), 0);
}

START_TEST(a_process_is_known_by_its_handle_and_only_in_its_boot)
{
	static char here[] = "here", ended[] = "ended", other[] = "other-boot";
	char root[] = "/tmp/hoy-unit-XXXXXX", *ids[] = { here, ended, other };
	auto_fd int own = hoy_pidfd_open(getpid());
	auto_(hoy_look_done) struct hoy_look look;
	struct hoy_seen seen[HOY_LOOK_MAX];
	pid_t child;
	uint64_t handle;
	siginfo_t si;

	if (hoy_pidfd_handle(own, &handle) < 0)
		return; /* before Linux 6.14 */
	ck_assert_ptr_nonnull(mkdtemp(root));
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(pause());
	save_with_handle(root, here, getpid(), 0);
	save_with_handle(root, ended, child, 0);
	save_with_handle(root, other, getpid(), 100);
	hoy_look_init(&look, root);
	hoy_look_at(&look, ids, 3, seen);
	ck_assert_int_eq(seen[0].status, HOY_STATUS_RUNNING);
	ck_assert_int_eq(seen[1].status, HOY_STATUS_RUNNING);
	ck_assert_int_eq(seen[2].status, HOY_STATUS_STOPPED); /* looked at by the start time */
	hoy_seen_done(seen, 3);

	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t) child, &si, WEXITED | WNOWAIT), 0);
	for (int i = 0; i < 2; i++) { /* a zombie, then nothing */
		hoy_look_at(&look, ids, 3, seen);
		ck_assert_int_eq(seen[0].status, HOY_STATUS_RUNNING);
		ck_assert_int_eq(seen[1].status, HOY_STATUS_STOPPED);
		hoy_seen_done(seen, 3);
		(void) waitpid(child, NULL, 0);
	}
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, root, NULL), 0);
}
END_TEST

/* A name that changed tells that execve() has happened: then nobody asks the socket. */
START_TEST(another_name_than_before_is_running)
{
	struct hoy_process_stat stat = { .name = "sleep" };
	char before[] = "hoyrun";
	struct hoy_state state = { .init_name = before };

	ck_assert(hoy_state_has_executed(&state, &stat));
	(void) snprintf(stat.name, sizeof stat.name, "%s", before);
	ck_assert(!hoy_state_has_executed(&state, &stat));
	state.init_name = NULL;
	ck_assert(!hoy_state_has_executed(&state, &stat));
}
END_TEST

/* Also behind a path that no socket address can hold. */
START_TEST(somebody_listening_tells_created_from_running)
{
	char root[] = "/tmp/hoy-unit-XXXXXX", id[2][161] = { "web", "" };

	memset(id[1], 'x', sizeof id[1] - 1);
	ck_assert_ptr_nonnull(mkdtemp(root));
	for (int i = 0; i < 2; i++) {
		auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		ck_assert_int_eq(make_state(root, id[i], &state), 0);
		state.read = true;
		ck_assert_int_eq(hoy_state_status(&state), HOY_STATUS_RUNNING);
		(void) snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/start.sock", state.dir);
		ck_assert_int_eq(bind(sock, (struct sockaddr *) &addr, sizeof addr), 0);
		ck_assert_int_eq(listen(sock, 1), 0);
		ck_assert_int_eq(hoy_state_status(&state), HOY_STATUS_CREATED);
		ck_assert_int_eq(hoy_state_status(&state), HOY_STATUS_CREATED); /* asking has not filled the queue */
		hoy_fd_close(&sock);
		ck_assert_int_eq(faccessat(state.dir, "start.sock", F_OK, 0), 0);
		ck_assert_int_eq(hoy_state_status(&state), HOY_STATUS_RUNNING);
	}
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, root, NULL), 0);
}
END_TEST

Suite *suite_runtime_state(void)
{
	const TTest *const tests[] = { ids_are_checked, a_state_survives_print_and_parse,
		a_newer_state_is_refused_an_unknown_member_is_not, the_last_whole_line_of_a_state_counts,
		a_pid_that_was_used_again_is_not_the_container, who_only_looks_sees_what_a_load_sees,
		who_looks_at_many_sees_each_as_it_is, a_process_is_known_by_its_handle_and_only_in_its_boot,
		another_name_than_before_is_running, somebody_listening_tells_created_from_running };

	return hoy_unit_suite("runtime state", tests, ARRAY_LEN(tests));
}

/* --- messages --- */

struct pair {
	int fd[2];
};

static void pair_done(struct pair *p)
{
	hoy_fd_close(&p->fd[0]);
	hoy_fd_close(&p->fd[1]);
}

START_TEST(a_message_carries_a_number_and_a_descriptor)
{
	auto_(pair_done) struct pair p;
	auto_fd int fd = -EBADF;
	struct hoy_sync_msg msg;

	ck_assert_int_eq(hoy_sync_pair(p.fd, NULL), 0);
	ck_assert_int_eq(hoy_sync_send(p.fd[0], HOY_SYNC_PID, 42, STDIN_FILENO, NULL), 0);
	ck_assert_int_eq(hoy_sync_recv(p.fd[1], &msg, &fd, NULL), 0);
	ck_assert_int_eq(msg.type, HOY_SYNC_PID);
	ck_assert_int_eq(msg.number, 42);
	ck_assert_int_ge(fd, 3);
}
END_TEST

START_TEST(all_that_can_go_wrong_is_an_error)
{
	auto_(pair_done) struct pair p;
	struct hoy_err sent = {}, err = {};

	ck_assert_int_eq(hoy_sync_pair(p.fd, NULL), 0);
	(void) hoy_err_invalid(&sent, "the reason");
	hoy_sync_send_error(p.fd[0], &sent);
	ck_assert_int_eq(hoy_sync_expect(p.fd[1], HOY_SYNC_READY, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "the reason");
	ck_assert_int_eq(hoy_sync_send(p.fd[0], HOY_SYNC_GO, 0, -1, NULL), 0);
	ck_assert_int_eq(hoy_sync_expect(p.fd[1], HOY_SYNC_READY, &err), -EPROTO);
	ck_assert_int_eq(send(p.fd[0], "x", 1, 0), 1);
	ck_assert_int_eq(hoy_sync_expect(p.fd[1], HOY_SYNC_READY, &err), -EPROTO);
	hoy_fd_close(&p.fd[0]);
	ck_assert_int_eq(hoy_sync_expect(p.fd[1], HOY_SYNC_READY, &err), -EPIPE);
}
END_TEST

START_TEST(an_error_arrives_also_when_our_own_message_was_not_read)
{
	auto_(pair_done) struct pair p;
	struct hoy_err sent = {}, err = {};

	ck_assert_int_eq(hoy_sync_pair(p.fd, NULL), 0);
	ck_assert_int_eq(hoy_sync_send(p.fd[1], HOY_SYNC_COMMIT, 0, -1, NULL), 0);
	(void) hoy_err_invalid(&sent, "the reason");
	hoy_sync_send_error(p.fd[0], &sent);
	hoy_fd_close(&p.fd[0]);
	ck_assert_int_eq(hoy_sync_expect(p.fd[1], HOY_SYNC_READY, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "the reason");
}
END_TEST

START_TEST(the_end_of_the_socket_means_that_the_program_runs)
{
	auto_(pair_done) struct pair p;
	struct hoy_err sent = {}, err = {};

	ck_assert_int_eq(hoy_sync_pair(p.fd, NULL), 0);
	(void) hoy_err_invalid(&sent, "exec");
	hoy_sync_send_error(p.fd[0], &sent);
	ck_assert_int_eq(hoy_sync_wait_exec(p.fd[1], &err), -EINVAL);
	hoy_fd_close(&p.fd[0]);
	ck_assert_int_eq(hoy_sync_wait_exec(p.fd[1], &err), 0);
}
END_TEST

Suite *suite_runtime_sync(void)
{
	const TTest *const tests[] = { a_message_carries_a_number_and_a_descriptor, all_that_can_go_wrong_is_an_error,
		an_error_arrives_also_when_our_own_message_was_not_read,
		the_end_of_the_socket_means_that_the_program_runs };

	return hoy_unit_suite("runtime sync", tests, ARRAY_LEN(tests));
}

/* --- texts: changing one of these breaks a caller --- */

START_TEST(callers_match_these_texts)
{
	char text[200];

	ck_assert_str_eq(TEXT_EXISTS, "container with given ID already exists");
	ck_assert_str_eq(TEXT_NOT_FOUND, "container does not exist");
	ck_assert_str_eq(TEXT_NOT_RUNNING, "container not running");
	ck_assert_str_eq(TEXT_PROCESS_FINISHED, "os: process already finished");
	(void) snprintf(text, sizeof text, TEXT_DELETE_NOT_STOPPED, "web", "running");
	ck_assert_str_eq(text, "cannot delete container web that is not stopped: running");
	(void) snprintf(text, sizeof text, TEXT_EXEC_NOT_IN_PATH, "x");
	ck_assert_str_eq(text, "exec: \"x\": executable file not found in $PATH");
	(void) snprintf(text, sizeof text, TEXT_EXEC_DENIED, "x");
	ck_assert_str_eq(text, "exec: \"x\": permission denied");
	(void) snprintf(text, sizeof text, TEXT_EXEC_MISSING, "/x", "/x");
	ck_assert_str_eq(text, "exec: \"/x\": stat /x: no such file or directory");
	(void) snprintf(text, sizeof text, TEXT_EXEC_DIRECTORY, "x");
	ck_assert_str_eq(text, "exec: \"x\": is a directory");
	(void) snprintf(text, sizeof text, TEXT_EXEC_FAILED, "x", "exec format error");
	ck_assert_str_eq(text, "exec x: exec format error");
	(void) snprintf(text, sizeof text, TEXT_PAUSE_STATE, "paused");
	ck_assert_str_eq(text, "container not running or created: paused");
	(void) snprintf(text, sizeof text, TEXT_EVENTS_STOPPED, "web");
	ck_assert_str_eq(text, "container with id web is not running");
	(void) snprintf(text, sizeof text, TEXT_OPTION_VALUE, "x");
	ck_assert_str_eq(text, "flag needs an argument: --x");
	ck_assert_str_eq(TEXT_NO_PROCESS, "process property must be set");
	ck_assert_str_eq(TEXT_INIT_OOM, "container init was OOM-killed (memory limit too low?)");
	ck_assert_str_eq(TEXT_CGROUP_NOT_EMPTY, "container's cgroup is not empty");
	ck_assert_str_eq(TEXT_CGROUP_FROZEN, "container's cgroup unexpectedly frozen");
	ck_assert_str_eq(TEXT_START_RUNNING, "cannot start an already running container");
	ck_assert_str_eq(TEXT_START_STOPPED, "cannot start a container that has stopped");
	ck_assert_str_eq(TEXT_PAUSED, "cannot exec in a paused container");
	ck_assert_str_eq(TEXT_EXEC_STOPPED, "cannot exec in a stopped container");
	ck_assert_str_eq(TEXT_NOT_PAUSED, "container not paused");
	ck_assert_str_eq(TEXT_START_PROCESS, "unable to start container process");
}
END_TEST

Suite *suite_runtime_texts(void)
{
	const TTest *const tests[] = { callers_match_these_texts };

	return hoy_unit_suite("runtime texts", tests, ARRAY_LEN(tests));
}

/* --- limits --- */

START_TEST(every_limit_of_the_config_reaches_the_cgroup)
{
	static const char text[] =
		"{\"memory\":{\"limit\":1,\"reservation\":2,\"swap\":3,\"kernel\":4,\"kernelTCP\":5,\"swappiness\":6,"
		"\"disableOOMKiller\":true,\"useHierarchy\":true,\"checkBeforeUpdate\":true},"
		"\"cpu\":{\"shares\":10,\"quota\":11,\"period\":12,\"burst\":9,\"realtimeRuntime\":14,"
		"\"realtimePeriod\":15,\"cpus\":\"0\",\"mems\":\"1\",\"idle\":1},\"pids\":{\"limit\":20},"
		"\"blockIO\":{\"weight\":30,\"leafWeight\":31,"
		"\"weightDevice\":[{\"major\":8,\"minor\":1,\"weight\":32,\"leafWeight\":33}],"
		"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":2,\"rate\":34}],"
		"\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":3,\"rate\":35}],"
		"\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":4,\"rate\":36}],"
		"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":5,\"rate\":37}]},"
		"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":40}],"
		"\"network\":{\"classID\":50,\"priorities\":[{\"name\":\"eth0\",\"priority\":51}]},"
		"\"rdma\":{\"mlx5\":{\"hcaHandles\":60,\"hcaObjects\":61}},\"unified\":{\"memory.high\":\"70\"}}";
	auto_ptr(hoy_oci_resources_free) struct hoy_oci_resources *res = NULL;
	auto_(hoy_limits_done) struct hoy_limits limits = {};
	const struct hoy_cgroup_limits *l = &limits.limits;

	struct hoy_err err = {};
	ck_assert_msg(hoy_oci_resources_parse(text, strlen(text), &res, &err) == 0, "%s", hoy_err_str(&err));
	ck_assert_int_eq(hoy_limits_make(res, &limits, NULL), 0);
	ck_assert_int_eq(*l->memory_limit, 1);
	ck_assert_int_eq(*l->memory_reservation, 2);
	ck_assert_int_eq(*l->memory_swap, 3);
	ck_assert_int_eq(*l->memory_kernel, 4);
	ck_assert_int_eq(*l->memory_kernel_tcp, 5);
	ck_assert_uint_eq(*l->memory_swappiness, 6);
	ck_assert(*l->memory_disable_oom_killer && *l->memory_use_hierarchy && l->memory_check_before_update);
	ck_assert_uint_eq(*l->cpu_shares, 10);
	ck_assert_int_eq(*l->cpu_quota, 11);
	ck_assert_uint_eq(*l->cpu_period, 12);
	ck_assert_uint_eq(*l->cpu_burst, 9);
	ck_assert_int_eq(*l->cpu_rt_runtime, 14);
	ck_assert_uint_eq(*l->cpu_rt_period, 15);
	ck_assert_str_eq(l->cpuset_cpus, "0");
	ck_assert_str_eq(l->cpuset_mems, "1");
	ck_assert_int_eq(*l->cpu_idle, 1);
	ck_assert_int_eq(*l->pids_limit, 20);
	ck_assert_uint_eq(*l->blkio_weight, 30);
	ck_assert_uint_eq(*l->blkio_leaf_weight, 31);
	ck_assert_uint_eq(*l->blkio_weight_devices[0].weight, 32);
	ck_assert_uint_eq(*l->blkio_weight_devices[0].leaf_weight, 33);
	ck_assert(l->read_bps[0].minor == 2 && l->read_bps[0].rate == 34 && l->n_read_bps == 1);
	ck_assert(l->write_bps[0].minor == 3 && l->write_bps[0].rate == 35 && l->n_write_bps == 1);
	ck_assert(l->read_iops[0].minor == 4 && l->read_iops[0].rate == 36 && l->n_read_iops == 1);
	ck_assert(l->write_iops[0].minor == 5 && l->write_iops[0].rate == 37 && l->n_write_iops == 1);
	ck_assert_str_eq(l->hugepages[0].page_size, "2MB");
	ck_assert_uint_eq(l->hugepages[0].limit, 40);
	ck_assert_uint_eq(*l->net_class_id, 50);
	ck_assert_str_eq(l->net_priorities[0].name, "eth0");
	ck_assert_uint_eq(l->net_priorities[0].priority, 51);
	ck_assert_str_eq(l->rdma[0].device, "mlx5");
	ck_assert_uint_eq(*l->rdma[0].handles, 60);
	ck_assert_uint_eq(*l->rdma[0].objects, 61);
	ck_assert_str_eq(l->unified[0].key, "memory.high");
	ck_assert_str_eq(l->unified[0].value, "70");
}
END_TEST

/* --- passwd, overlay --- */

START_TEST(homes_and_names_come_from_passwd_lines)
{
	static const char text[] =
		"# comment\nroot:x:0:0:root:/root:/bin/sh\nbad line\n:::\nu:x:1000:1000::/home/u:\nn:x:5:5:::\n";
	auto_free char *root = hoy_passwd_home(text, 0), *user = hoy_passwd_home(text, 1000),
		       *none = hoy_passwd_home(text, 7), *empty = hoy_passwd_home(text, 5),
		       *name = hoy_passwd_name(text, 1000);

	ck_assert_str_eq(root, "/root");
	ck_assert_str_eq(user, "/home/u");
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(empty);
	ck_assert_str_eq(name, "u");
}
END_TEST

START_TEST(layers_are_split_at_bare_colons)
{
	auto_ptr(hoy_strv_free) char **v = hoy_overlay_split("/a:/b\\:c:/d\\\\e");

	ck_assert_str_eq(v[0], "/a");
	ck_assert_str_eq(v[1], "/b:c");
	ck_assert_str_eq(v[2], "/d\\e");
	ck_assert_ptr_null(v[3]);
}
END_TEST

START_TEST(layers_share_a_directory)
{
	char *same[] = { "/var/l/aa", "/var/l/ab", "/var/l/a/b", NULL }, *one[] = { "/x/y", NULL },
	     *none[] = { "/a/b", "/c/d", NULL }, *relative[] = { "a", NULL }, *prefix[] = { "/a/b/c", "/a/b", NULL };
	auto_free char *a = hoy_overlay_common_dir(same), *b = hoy_overlay_common_dir(one),
		       *c = hoy_overlay_common_dir(none), *d = hoy_overlay_common_dir(relative),
		       *e = hoy_overlay_common_dir(prefix);

	ck_assert_str_eq(a, "/var/l");
	ck_assert_str_eq(b, "/x");
	ck_assert_str_eq(c, "/");
	ck_assert_str_eq(d, "/");
	ck_assert_str_eq(e, "/a");
}
END_TEST

Suite *suite_runtime_files(void)
{
	const TTest *const tests[] = { homes_and_names_come_from_passwd_lines, layers_are_split_at_bare_colons,
		layers_share_a_directory, every_limit_of_the_config_reaches_the_cgroup };

	return hoy_unit_suite("runtime files", tests, ARRAY_LEN(tests));
}
