/*
 * seccomp-cost [ROUNDS]: what Docker's default filter costs a container, in microseconds: names to numbers and the
 * program (ours, and libseccomp's for comparison), then seccomp(2) in a process of its own.
 */
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/plan/seccomp_internal.h"
#include "supervisor/container/seccomp_profile.h"

#define MAX_ROUNDS 1000

static const char *const docker_caps[] = { "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD",
	"CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
	"CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE", NULL };

typedef int compile_fn(const struct hoy_oci_seccomp *, struct hoy_seccomp_program *, struct hoy_err *);

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static double print(const char *what, double *us, size_t n)
{
	qsort(us, n, sizeof *us, by_value);
	printf("  %-34s median %9.1f   min %9.1f\n", what, us[n / 2], us[0]);
	return us[n / 2];
}

/* In a child, because a filter is for life. Its figure comes back through `shared`. */
static int load_once(const struct hoy_seccomp_program *program, double *shared)
{
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		return -1;
	if (pid == 0) {
		double begin;
		int listener;

		(void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		begin = now();
		if (hoy_seccomp_load(program, &listener, NULL) < 0)
			_exit(1);
		*shared = now() - begin;
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int measure(const char *name, compile_fn *compile, const struct hoy_oci_seccomp *seccomp, unsigned int rounds,
	double *shared)
{
	static double build[MAX_ROUNDS], load[MAX_ROUNDS];
	struct hoy_seccomp_program program = {};
	struct hoy_err err = {};
	double total;

	for (unsigned int i = 0; i < rounds; i++) {
		double begin = now();

		hoy_seccomp_program_done(&program);
		if (compile(seccomp, &program, &err) < 0) {
			(void) fprintf(stderr, "%s: %s\n", name, hoy_err_str(&err));
			return -1;
		}
		build[i] = now() - begin;
		if (load_once(&program, shared) < 0) {
			(void) fprintf(stderr, "%s: the kernel does not take the filter\n", name);
			return -1;
		}
		load[i] = *shared;
	}
	printf("%s: %zu instructions\n", name, program.n_insns);
	total = print("names and building", build, rounds);
	total += print("loading", load, rounds);
	printf("  %-34s        %9.1f\n", "together", total);
	hoy_seccomp_program_done(&program);
	return 0;
}

int main(int argc, char **argv)
{
	auto_ptr(hoy_seccomp_profile_free) struct hoy_seccomp_profile *profile = NULL;
	const struct hoy_seccomp_target target = { .caps = docker_caps };
	unsigned int rounds = 200;
	struct hoy_oci_seccomp *seccomp = NULL;
	struct hoy_err err = {};
	double *shared;
	int r;

	if (argc > 2 || (argc == 2 && hoy_str_to_uint(argv[1], &rounds) < 0) || rounds < 1 || rounds > MAX_ROUNDS) {
		(void) fprintf(stderr, "usage: seccomp-cost [ROUNDS]   (at most %d)\n", MAX_ROUNDS);
		return 2;
	}
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	r = hoy_seccomp_profile_default(&profile, &err);
	if (r == 0)
		r = hoy_seccomp_profile_resolve(profile, &target, &seccomp, &err);
	if (r < 0) {
		(void) fprintf(stderr, "seccomp-cost: %s\n", hoy_err_str(&err));
		return 1;
	}
	r = measure("hoyrun", hoy_seccomp_compile, seccomp, rounds, shared);
	if (r == 0)
		r = measure("libseccomp", hoy_seccomp_compile_foreign, seccomp, MAX(rounds / 10, 1U), shared);
	hoy_oci_seccomp_free(seccomp);
	return r < 0;
}
