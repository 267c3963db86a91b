#include "supervisor/worker/call_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>

#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static int add_rules(scmp_filter_ctx context, const struct hoy_call_filter *filter)
{
	int r = 0;

	for (size_t i = 0; i < filter->n_calls && r >= 0; i++)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW, filter->calls[i], 0);
	for (size_t i = 0; i < filter->n_families && r >= 0; i++)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) filter->families[i]));
	if (filter->join_netns && r >= 0)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(setns), 1, SCMP_A1(SCMP_CMP_EQ, CLONE_NEWNET));
	return r;
}

int hoy_call_filter_load(const struct hoy_call_filter *filter, struct hoy_err *err)
{
	scmp_filter_ctx context;
	int r;

	if (SANITIZED)
		return 0;
	context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!context)
		return hoy_err_oom(err);
	r = add_rules(context, filter);
	if (r >= 0)
		r = seccomp_load(context);
	seccomp_release(context);
	return r < 0 ? hoy_err_code(err, r, "system call filter") : 0;
}
