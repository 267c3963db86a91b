/* supervisor/container/user.c and layered.c */
#include "supervisor/container/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/layered.h"
#include "tests/unit/unit.h"

Suite *suite_container_user(void);

static const char passwd[] = "# comment\n"
			     "root:x:0:0:root:/root:/bin/sh\n"
			     "broken line\n"
			     "web:x:101:102:web:/srv/web:/bin/false\n"
			     "1000:x:7:7:a name of digits:/seven:/bin/sh";
static const char group[] = "root:x:0:\nweb:x:102:\naudio:x:29:web,other\nvideo:x:44:other\nwheel:x:10:root,web\n";

static struct hoy_container_user resolved(const char *spec, char *const *add)
{
	struct hoy_container_user user = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_container_user_resolve(spec, add, passwd, group, &user, &err) >= 0, "%s", err.msg);
	return user;
}

START_TEST(no_user_is_root_with_roots_groups)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = resolved("", NULL);

	ck_assert_uint_eq(user.uid, 0);
	ck_assert_uint_eq(user.gid, 0);
	ck_assert_str_eq(user.home, "/root");
	ck_assert_uint_eq(user.n_groups, 1);
	ck_assert_uint_eq(user.groups[0], 10);
}
END_TEST

START_TEST(a_name_brings_its_group_home_and_memberships)
{
	char *const add[] = { (char *) "video", (char *) "29", (char *) "5000", NULL };
	auto_(hoy_container_user_done) struct hoy_container_user user = resolved("web", add);

	ck_assert_uint_eq(user.uid, 101);
	ck_assert_uint_eq(user.gid, 102);
	ck_assert_str_eq(user.home, "/srv/web");
	ck_assert_uint_eq(user.n_groups, 4);
	ck_assert_uint_eq(user.groups[0], 29);
	ck_assert_uint_eq(user.groups[1], 10);
	ck_assert_uint_eq(user.groups[2], 44);
	ck_assert_uint_eq(user.groups[3], 5000);
}
END_TEST

START_TEST(numbers_need_no_entry)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = resolved("4711:12", NULL);

	ck_assert_uint_eq(user.uid, 4711);
	ck_assert_uint_eq(user.gid, 12);
	ck_assert_ptr_null(user.home);
	ck_assert_uint_eq(user.n_groups, 0);
}
END_TEST

START_TEST(a_number_finds_its_entry)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = resolved("101", NULL);

	ck_assert_uint_eq(user.gid, 102);
	ck_assert_str_eq(user.home, "/srv/web");
}
END_TEST

START_TEST(a_given_group_replaces_the_memberships)
{
	auto_(hoy_container_user_done) struct hoy_container_user user = resolved("web:audio", NULL);

	ck_assert_uint_eq(user.gid, 29);
	ck_assert_uint_eq(user.n_groups, 0);
}
END_TEST

START_TEST(an_unknown_name_is_refused_by_name)
{
	struct hoy_container_user user;
	struct hoy_err err = {};

	ck_assert_int_lt(hoy_container_user_resolve("nobody", NULL, passwd, group, &user, &err), 0);
	ck_assert_str_eq(err.msg, "unable to find user nobody: no matching entries in passwd file");
	ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
	ck_assert_int_lt(hoy_container_user_resolve("web:none", NULL, passwd, group, &user, &err), 0);
	ck_assert_str_eq(err.msg, "unable to find group none: no matching entries in group file");
	ck_assert_int_lt(hoy_container_user_resolve("4294967295", NULL, "", "", &user, &err), 0);
}
END_TEST

/* --- layers -------------------------------------------------------------------------------- */

static char top[] = "/tmp/hoy-layered-XXXXXX";

static char *at(const char *name)
{
	return hoy_path_join(top, name);
}

static void put(const char *name, const char *text)
{
	auto_free char *path = at(name);
	auto_free char *dir = strndup(path, (size_t) (strrchr(path, '/') - path));
	auto_fd int fd = -EBADF;

	ck_assert_int_eq(hoy_path_mkdir_all(dir, 0755, NULL), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(hoy_fd_write_all(fd, text, strlen(text)), 0);
}

/* The content found over the layers u (upper), b, a; NULL when there is none. */
static char *found(const char *path)
{
	auto_free char *u = at("u"), *b = at("b"), *a = at("a");
	char *const dirs[] = { u, b, a, NULL };
	auto_fd int fd = hoy_layered_open(dirs, path, NULL);
	static char text[64];
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof text - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

static void set_up(void)
{
	memcpy(top, "/tmp/hoy-layered-XXXXXX", sizeof top);
	ck_assert_ptr_nonnull(mkdtemp(top));
	put("a/etc/passwd", "a");
	put("a/etc/group", "a");
	put("b/etc/group", "b");
	put("u/var/x", "u");
}

static void tear_down(void)
{
	hoy_path_remove_all(AT_FDCWD, top, NULL);
}

static void make_link(const char *target, const char *name)
{
	auto_free char *path = at(name);

	ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(the_topmost_layer_that_has_a_file_wins)
{
	ck_assert_str_eq(found("etc/passwd"), "a");
	ck_assert_str_eq(found("/etc/group"), "b");
	ck_assert_str_eq(found("etc/../etc//group"), "b");
	ck_assert_ptr_null(found("etc/shadow"));
	ck_assert_ptr_null(found("etc"));
	ck_assert_ptr_null(found("etc/passwd/x"));
}
END_TEST

START_TEST(whiteouts_and_opaque_directories_hide_what_is_below)
{
	auto_free char *white = at("b/etc/passwd"), *opaque = at("b/etc");

	put("b/etc/passwd", "");
	ck_assert_str_eq(found("etc/passwd"), "");
	if (setxattr(white, "user.overlay.whiteout", "", 0, 0) < 0)
		return; /* no user xattrs on this file system */
	ck_assert_ptr_null(found("etc/passwd"));
	ck_assert_int_eq(unlink(white), 0);
	ck_assert_str_eq(found("etc/passwd"), "a");
	ck_assert_int_eq(setxattr(opaque, "user.overlay.opaque", "y", 1, 0), 0);
	ck_assert_ptr_null(found("etc/passwd"));
	ck_assert_str_eq(found("etc/group"), "b");
}
END_TEST

START_TEST(links_stay_inside_and_see_all_layers)
{
	put("b/usr/etc/users", "usr");
	put("u/etc/x", "");
	make_link("/usr/etc/users", "u/etc/absolute");
	make_link("../../../../usr/etc/users", "u/etc/relative");
	make_link("loop", "u/etc/loop");
	make_link("/proc/self/exe", "u/etc/outside");
	make_link("usr/etc", "a/conf");
	ck_assert_str_eq(found("etc/absolute"), "usr");
	ck_assert_str_eq(found("etc/relative"), "usr");
	ck_assert_str_eq(found("conf/users"), "usr");
	ck_assert_ptr_null(found("etc/loop"));
	ck_assert_ptr_null(found("etc/outside"));
}
END_TEST

/* The parts of the path over u, b and a, without the directory they lie in; "" when there are none. */
static const char *parts(const char *path)
{
	auto_free char *u = at("u"), *b = at("b"), *a = at("a");
	char *const dirs[] = { u, b, a, NULL };
	auto_ptr(hoy_strv_free) char **list = NULL;
	static char text[256];
	struct stat st;

	text[0] = '\0';
	if (hoy_layered_parts(dirs, path, &list, &st) < 0)
		return text;
	for (size_t i = 0; list[i]; i++) {
		size_t len = strlen(text);

		ck_assert(hoy_str_starts(list[i], top));
		(void) snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? " " : "", list[i] + strlen(top) + 1);
	}
	return text;
}

START_TEST(a_directory_is_made_of_its_parts_in_all_layers)
{
	auto_free char *opaque = at("b/etc");

	make_link("../etc", "u/var/link");
	ck_assert_str_eq(parts("/"), "u b a");
	ck_assert_str_eq(parts("etc"), "b/etc a/etc");
	ck_assert_str_eq(parts("var/link"), "b/etc a/etc");
	ck_assert_str_eq(parts("var/link/passwd"), "a/etc/passwd");
	ck_assert_str_eq(parts("etc/group"), "b/etc/group");
	ck_assert_str_eq(parts("../../etc"), "b/etc a/etc");
	ck_assert_str_eq(parts("nowhere"), "");
	if (setxattr(opaque, "user.overlay.opaque", "y", 1, 0) == 0)
		ck_assert_str_eq(parts("etc"), "b/etc");
}
END_TEST

Suite *suite_container_user(void)
{
	const TTest *const tests[] = {
		no_user_is_root_with_roots_groups,
		a_name_brings_its_group_home_and_memberships,
		numbers_need_no_entry,
		a_number_finds_its_entry,
		a_given_group_replaces_the_memberships,
		an_unknown_name_is_refused_by_name,
	};
	const TTest *const layer_tests[] = {
		the_topmost_layer_that_has_a_file_wins,
		whiteouts_and_opaque_directories_hide_what_is_below,
		links_stay_inside_and_see_all_layers,
		a_directory_is_made_of_its_parts_in_all_layers,
	};
	Suite *suite = hoy_unit_suite("container-user", tests, ARRAY_LEN(tests));
	TCase *layers = tcase_create("layers");

	tcase_add_checked_fixture(layers, set_up, tear_down);
	for (size_t i = 0; i < ARRAY_LEN(layer_tests); i++)
		tcase_add_test(layers, layer_tests[i]);
	suite_add_tcase(suite, layers);
	return suite;
}
