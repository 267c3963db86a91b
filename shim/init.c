/*
 * hoy-init [--] PROGRAM [ARG...]: PID 1 of a container that was made with --init. Runs the program as its child, hands
 * it every signal it gets, reaps what the container's processes leave behind, and ends as the program does.
 *
 * hoy-init --env NAME=FILE... [--] PROGRAM [ARG...]: becomes the program, with variables that have the files' contents.
 * What they are is nowhere else: not in the container's config, nor in any argument.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child in a group of its own, in front of the terminal when there is one. */
static void run(char **argv, const sigset_t *signals)
{
	(void) setpgid(0, 0);
	(void) tcsetpgrp(STDIN_FILENO, getpid()); /* SIGTTOU is blocked still */
	(void) sigprocmask(SIG_SETMASK, signals, NULL);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "exec %s failed: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Reaps all that have ended; true when the program is among them. */
static int reap(pid_t child, int *ret_status)
{
	int status, found = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child) {
			*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			found = 1;
		}
	return found;
}

/* A variable is at most 128 KiB for the kernel. */
static void set_from_file(char *text)
{
	static char value[(128 << 10) + 1];
	char *file = strrchr(text, '=');
	size_t len = 0;
	ssize_t n = 0;
	int fd;

	if (!file)
		_exit(126);
	*file++ = '\0';
	fd = open(file, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len < sizeof value - 1 && (n = read(fd, value + len, sizeof value - 1 - len)) > 0)
		len += (size_t) n;
	value[len] = '\0';
	if (fd < 0 || n < 0 || len == sizeof value - 1 || strlen(value) != len || setenv(text, value, 1) < 0) {
		dprintf(STDERR_FILENO, "the secret for the variable %s can't be one: %s\n", text,
			fd < 0 || n < 0 ? strerror(errno) : "it is too large, or has NUL bytes");
		_exit(126);
	}
	(void) close(fd);
}

static void become(char **argv)
{
	while (*argv && strcmp(*argv, "--env") == 0 && argv[1]) {
		set_from_file(argv[1]);
		argv += 2;
	}
	argv += *argv && strcmp(*argv, "--") == 0;
	if (*argv)
		execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "exec %s failed: %s\n", *argv ? *argv : "nothing", strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int main(int argc, char **argv)
{
	sigset_t all, before;
	int sig, status = 0;
	pid_t child;

	if (argc > 1 && strcmp(argv[1], "--env") == 0)
		become(argv + 1);
	argv += argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
	if (!*argv) {
		dprintf(STDERR_FILENO, "hoy-init: no program\n");
		return EXIT_FAILURE;
	}
	(void) sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &before) < 0)
		return EXIT_FAILURE;
	child = fork();
	if (child < 0) {
		dprintf(STDERR_FILENO, "hoy-init: fork: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	if (child == 0)
		run(argv, &before);
	for (;;) {
		if (sigwait(&all, &sig) != 0)
			return EXIT_FAILURE;
		if (sig != SIGCHLD)
			(void) kill(child, sig);
		else if (reap(child, &status))
			return status;
	}
}
