/* compile-filter CONFIG: the seccomp program that hoyrun loads for that config.json, on stdout: for floor --filter. */
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "libocispec/runtime.h"
#include "runtime/plan/seccomp.h"

int main(int argc, char **argv)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	struct hoy_seccomp_program program = {};
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = (size_t) 16 << 20 };
	struct hoy_err err = {};
	int r;

	if (argc != 2) {
		(void) fprintf(stderr, "usage: compile-filter CONFIG\n");
		return 2;
	}
	r = hoy_file_read(AT_FDCWD, argv[1], &text, &err);
	if (r == 0)
		r = hoy_oci_spec_parse(text.data, text.len, &spec, &err);
	if (r == 0)
		r = hoy_seccomp_compile(spec->linux_->seccomp, &program, &err);
	if (r == 0)
		r = hoy_fd_write_all(STDOUT_FILENO, program.insns, program.n_insns * sizeof *program.insns);
	if (r < 0)
		(void) fprintf(stderr, "compile-filter: %s\n", hoy_err_str(&err));
	hoy_seccomp_program_done(&program);
	return r < 0;
}
