#include "supervisor/container/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "supervisor/container/internal.h"
#include "supervisor/image/image.h"

static bool has_container(const struct hoy_containers *room, const char *name)
{
	for (size_t i = 0; i < room->n; i++)
		if (strcmp(room->list[i]->info.id, name) == 0)
			return true;
	return false;
}

static int check_strays(
	struct hoy_containers *room, bool repair, hoy_container_problem tell, void *userdata, struct hoy_err *err)
{
	int fd = openat(room->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		int r = hoy_err_sys(err, "look at the containers' directory");

		hoy_fd_close(&fd);
		return r;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			has_container(room, entry->d_name))
			continue;
		if (repair)
			hoy_images_trash(room->options.images, room->dir_fd, entry->d_name);
		tell("a container's directory without a row", entry->d_name, repair, userdata);
	}
	(void) closedir(dir);
	return 0;
}

int hoy_containers_check(
	struct hoy_containers *containers, bool repair, hoy_container_problem tell, void *userdata, struct hoy_err *err)
{
	struct stat st;

	for (size_t i = 0; i < containers->n; i++) {
		const struct hoy_container_info *info = &containers->list[i]->info;

		if (stat(info->upper_dir, &st) < 0 || !S_ISDIR(st.st_mode))
			tell("a container without its directory", info->id, /* repaired= */ false, userdata);
	}
	return check_strays(containers, repair, tell, userdata, err);
}
