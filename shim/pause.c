/* hoy-pause: holds a pod's namespaces, reaps what its processes leave behind, ends when it is told to. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t set;
	int sig;

	/* blocked signals reach PID 1 too, and wait for sigwait() */
	(void) sigemptyset(&set);
	(void) sigaddset(&set, SIGTERM);
	(void) sigaddset(&set, SIGINT);
	(void) sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return EXIT_FAILURE;
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			return EXIT_FAILURE;
		if (sig != SIGCHLD)
			return EXIT_SUCCESS;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
