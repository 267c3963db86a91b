/*
 * Seccomp profiles in Docker's file format: a list of rules with conditions (capabilities, architecture, kernel
 * version) that is resolved for one container into the plain OCI form.
 *
 *	hoy_seccomp_profile_parse(text, len, &profile, err);        or hoy_seccomp_profile_default(&profile, err)
 *	hoy_seccomp_profile_resolve(profile, &target, &seccomp, err);
 */
#ifndef HOY_SUPERVISOR_CONTAINER_SECCOMP_PROFILE_H
#define HOY_SUPERVISOR_CONTAINER_SECCOMP_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_oci_seccomp;
struct hoy_seccomp_profile;

/* Reads a profile; keys in any case, as docker reads them. Strict otherwise: an unknown key (a misspelt condition would
 * open what it should close), action, operator or architecture is an error that names its JSON path. */
int hoy_seccomp_profile_parse(const char *text, size_t len, struct hoy_seccomp_profile **ret, struct hoy_err *err);
/* The built-in default. */
int hoy_seccomp_profile_default(struct hoy_seccomp_profile **ret, struct hoy_err *err);
void hoy_seccomp_profile_free(struct hoy_seccomp_profile *profile); /* NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_seccomp_profile, hoy_seccomp_profile_free);

/* What the rules' conditions are tested against. */
struct hoy_seccomp_target {
	const char *const *caps;                 /* the container's bounding set, "CAP_CHOWN" ...; NULL-terminated */
	const char *arch;                        /* "SCMP_ARCH_X86_64"; NULL: the one we were built for */
	unsigned int kernel_major, kernel_minor; /* 0.0: the running kernel's (uname) */
};

/* The heap result is the caller's: spec->linux_->seccomp of the spec that is built, or hoy_oci_seccomp_free(). */
int hoy_seccomp_profile_resolve(const struct hoy_seccomp_profile *profile, const struct hoy_seccomp_target *target,
	struct hoy_oci_seccomp **ret, struct hoy_err *err);

#endif
