/*
 * Makes system calls and says what came of each, for runtime-seccomp-fields.bats. Static: needs nothing of a rootfs.
 *
 *     syscalls CALL...        a CALL is "[HOW] NAME [ARG...]"; it prints a line: what was returned, an errno's name,
 *                             SIGSYS (trapped), or "killed" (the thread that made the call)
 *
 * HOW is int80 or x32 (as programs of these ABIs would call) or thread. Arguments are numbers, also for calls that take
 * none: filters see them. Knows only calls without effect.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000L

static const struct call {
	const char *name;
	long nr, nr_i386;
} calls[] = {
	{ "getppid", SYS_getppid, 64 },
	{ "getpgid", SYS_getpgid, 132 },
	{ "getsid", SYS_getsid, 147 },
};

struct request {
	const struct call *call;
	char how[16];
	unsigned long args[6];
	bool returned;
	long result;
};

static volatile sig_atomic_t trapped;

static void on_sigsys(int sig)
{
	(void) sig;
	trapped = 1;
}

#ifdef __x86_64__
static long call_i386(long nr)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	return (int) r;
}
#else
static long call_i386(long nr)
{
	(void) nr;
	return -ENOSYS;
}
#endif

static long native(long nr, const unsigned long *a)
{
	long r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);

	return r < 0 ? -errno : r;
}

static void *make(void *userdata)
{
	struct request *request = userdata;
	const struct call *call = request->call;

	if (strcmp(request->how, "int80") == 0)
		request->result = call_i386(call->nr_i386);
	else if (strcmp(request->how, "x32") == 0)
		request->result = native(call->nr | X32_BIT, request->args);
	else
		request->result = native(call->nr, request->args);
	request->returned = true;
	return NULL;
}

static bool parse(char *text, struct request *request)
{
	char *save = NULL, *word = strtok_r(text, " ", &save);

	if (word != NULL && (strcmp(word, "int80") == 0 || strcmp(word, "x32") == 0 || strcmp(word, "thread") == 0)) {
		snprintf(request->how, sizeof request->how, "%s", word);
		word = strtok_r(NULL, " ", &save);
	}
	for (size_t i = 0; word != NULL && i < sizeof calls / sizeof *calls; i++)
		if (strcmp(word, calls[i].name) == 0)
			request->call = &calls[i];
	for (size_t i = 0; i < 6 && (word = strtok_r(NULL, " ", &save)) != NULL; i++)
		request->args[i] = strtoul(word, NULL, 0);
	return request->call != NULL;
}

static void report(const struct request *request)
{
	if (trapped)
		dprintf(1, "SIGSYS\n");
	else if (!request->returned)
		dprintf(1, "killed\n");
	else if (request->result < 0)
		dprintf(1, "%s\n", strerrorname_np((int) -request->result));
	else
		dprintf(1, "%ld\n", request->result);
}

int main(int argc, char **argv)
{
	signal(SIGSYS, on_sigsys);
	for (int i = 1; i < argc; i++) {
		struct request request = {};
		pthread_t thread;

		if (!parse(argv[i], &request)) {
			dprintf(2, "syscalls: no such call\n");
			return 2;
		}
		trapped = 0;
		if (strcmp(request.how, "thread") != 0)
			make(&request);
		else if (pthread_create(&thread, NULL, make, &request) != 0 || pthread_join(thread, NULL) != 0)
			return 3;
		report(&request);
	}
	return 0;
}
