/*
 * peak-rss COMMAND [ARG...]: runs it and prints the peak resident memory in KiB of the process and of the largest
 * descendant it waited for. Small and static itself, because a child's peak starts at its parent's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid;

	if (argc < 2) {
		(void) fprintf(stderr, "usage: peak-rss COMMAND [ARG...]\n");
		return 2;
	}
	pid = vfork();
	if (pid < 0)
		return 125;
	if (pid == 0) {
		(void) execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		return 125;
	(void) fprintf(stderr, "%ld\n", usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
