/*
 * hoy-init [--] PROGRAM [ARG...]: PID 1 of a container that was made with --init. Runs the program as its child, hands
 * it every signal it gets, reaps what the container's processes leave behind, and ends as the program does.
 */
#include <errno.h>
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

int main(int argc, char **argv)
{
	sigset_t all, before;
	int sig, status = 0;
	pid_t child;

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
