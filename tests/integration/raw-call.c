/*
 * raw-call NR [ARG...]: one system call by its number, for tests inside containers. Prints "0", the errno or "killed"
 * (by the signal in the status of a child that makes the call). Static, so that it runs in any rootfs.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long args[7] = {};
	int status = 0;
	pid_t pid;

	for (int i = 1; i < argc && i <= 7; i++)
		args[i - 1] = strtoul(argv[i], NULL, 0);
	pid = fork();
	if (pid == 0) {
		long r = syscall((long) args[0], args[1], args[2], args[3], args[4], args[5], args[6]);

		_exit(r < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return EXIT_FAILURE;
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("%d\n", WEXITSTATUS(status));
	return EXIT_SUCCESS;
}
