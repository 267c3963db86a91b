/* Parsers of the texts in statistics files: pure, and forgiving, because kernels add lines and columns. */
#include "base/cgroup/stats_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Room for one more element; NULL when out of memory. */
static void *grow(void *array, size_t n, size_t size)
{
	/* doubled whenever n is a power of two */
	return n == 0 || (n & (n - 1)) == 0 ? reallocarray(array, n == 0 ? 1 : 2 * n, size) : array;
}

static const char *next_line(const char *text)
{
	text += strcspn(text, "\n");
	return text + (*text == '\n');
}

int hoy_cgroup_parse_stat(const char *text, struct hoy_cgroup_stats *stats)
{
	for (; *text != '\0'; text = next_line(text)) {
		size_t len = strcspn(text, " \n");
		struct hoy_cgroup_stat *stat;

		if (text[len] != ' ' || len >= sizeof stat->name)
			continue;
		stat = grow(stats->memory.stat, stats->memory.n_stat, sizeof *stat);
		if (stat == NULL)
			return -ENOMEM;
		stats->memory.stat = stat;
		stat += stats->memory.n_stat++;
		memcpy(stat->name, text, len);
		stat->name[len] = '\0';
		stat->value = hoy_cgroup_number(text + len + 1);
	}
	return 0;
}

/* Device of a line that starts with "8:16 "; the rest of the line, or NULL. */
static const char *parse_device(const char *line, uint32_t *major, uint32_t *minor)
{
	size_t len = strspn(line, "0123456789");

	if (len == 0 || line[len] != ':')
		return NULL;
	*major = (uint32_t) hoy_cgroup_number(line);
	line += len + 1;
	len = strspn(line, "0123456789");
	if (len == 0 || line[len] != ' ')
		return NULL;
	*minor = (uint32_t) hoy_cgroup_number(line);
	return line + len + 1;
}

static struct hoy_cgroup_io *find_device(struct hoy_cgroup_stats *stats, uint32_t major, uint32_t minor)
{
	struct hoy_cgroup_io *io = stats->io.devices;

	for (size_t i = 0; i < stats->io.n_devices; i++)
		if (io[i].major == major && io[i].minor == minor)
			return &io[i];
	io = grow(io, stats->io.n_devices, sizeof *io);
	if (io == NULL)
		return NULL;
	stats->io.devices = io;
	io += stats->io.n_devices++;
	*io = (struct hoy_cgroup_io){ .major = major, .minor = minor };
	return io;
}

/* Value of " key=N" in a line. */
static uint64_t line_value(const char *line, const char *key)
{
	size_t key_len = strlen(key);

	while (*line != '\0' && *line != '\n') {
		size_t len = strcspn(line, " \n");

		if (len > key_len && strncmp(line, key, key_len) == 0 && line[key_len] == '=')
			return hoy_cgroup_number(line + key_len + 1);
		line += len;
		line += *line == ' ';
	}
	return 0;
}

int hoy_cgroup_parse_io_v2(const char *text, struct hoy_cgroup_stats *stats)
{
	for (; *text != '\0'; text = next_line(text)) {
		uint32_t major, minor;
		const char *rest = parse_device(text, &major, &minor);
		struct hoy_cgroup_io *io;

		if (rest == NULL)
			continue;
		io = find_device(stats, major, minor);
		if (io == NULL)
			return -ENOMEM;
		io->read_bytes = line_value(rest, "rbytes");
		io->write_bytes = line_value(rest, "wbytes");
		io->read_ios = line_value(rest, "rios");
		io->write_ios = line_value(rest, "wios");
	}
	return 0;
}

int hoy_cgroup_parse_io_v1(const char *text, bool bytes, struct hoy_cgroup_stats *stats)
{
	for (; *text != '\0'; text = next_line(text)) {
		uint32_t major, minor;
		const char *rest = parse_device(text, &major, &minor);
		struct hoy_cgroup_io *io;

		if (rest == NULL || (strncmp(rest, "Read ", 5) != 0 && strncmp(rest, "Write ", 6) != 0))
			continue;
		io = find_device(stats, major, minor);
		if (io == NULL)
			return -ENOMEM;
		if (rest[0] == 'R')
			*(bytes ? &io->read_bytes : &io->read_ios) = hoy_cgroup_number(rest + 5);
		else
			*(bytes ? &io->write_bytes : &io->write_ios) = hoy_cgroup_number(rest + 6);
	}
	return 0;
}

int hoy_cgroup_parse_percpu(const char *text, struct hoy_cgroup_stats *stats)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " \n");

		if (len > 0) {
			uint64_t *percpu = grow(stats->cpu.percpu_ns, stats->cpu.n_percpu, sizeof *percpu);

			if (percpu == NULL)
				return -ENOMEM;
			stats->cpu.percpu_ns = percpu;
			percpu[stats->cpu.n_percpu++] = hoy_cgroup_number(text);
		}
		text += len;
		text += *text != '\0';
	}
	return 0;
}

/* "12.34" as 1234 */
static uint64_t hundredths(const char *line, const char *key)
{
	const char *at = strstr(line, key), *dot;
	uint64_t fraction = 0;

	if (at == NULL || at > line + strcspn(line, "\n"))
		return 0;
	at += strlen(key);
	dot = at + strspn(at, "0123456789");
	if (dot[0] == '.' && dot[1] >= '0' && dot[1] <= '9')
		fraction = (uint64_t) (dot[1] - '0') * 10 +
			   (dot[2] >= '0' && dot[2] <= '9' ? (uint64_t) (dot[2] - '0') : 0);
	return hoy_cgroup_number(at) * 100 + fraction;
}

void hoy_cgroup_parse_psi(const char *text, struct hoy_cgroup_psi *psi)
{
	for (; *text != '\0'; text = next_line(text)) {
		if (strncmp(text, "some ", 5) == 0) {
			psi->present = true;
			psi->some_avg10 = hundredths(text, "avg10=");
			psi->some_avg60 = hundredths(text, "avg60=");
			psi->some_avg300 = hundredths(text, "avg300=");
			psi->some_total = line_value(text, "total");
		} else if (strncmp(text, "full ", 5) == 0) {
			psi->full_avg10 = hundredths(text, "avg10=");
			psi->full_avg60 = hundredths(text, "avg60=");
			psi->full_avg300 = hundredths(text, "avg300=");
			psi->full_total = line_value(text, "total");
		}
	}
}

static struct hoy_cgroup_rdma_stat *find_rdma(struct hoy_cgroup_stats *stats, const char *name, size_t len)
{
	struct hoy_cgroup_rdma_stat *rdma = stats->rdma;

	for (size_t i = 0; i < stats->n_rdma; i++)
		if (strlen(rdma[i].device) == len && strncmp(rdma[i].device, name, len) == 0)
			return &rdma[i];
	rdma = grow(rdma, stats->n_rdma, sizeof *rdma);
	if (rdma == NULL)
		return NULL;
	stats->rdma = rdma;
	rdma += stats->n_rdma++;
	*rdma = (struct hoy_cgroup_rdma_stat){};
	memcpy(rdma->device, name, len);
	return rdma;
}

int hoy_cgroup_parse_rdma(const char *text, bool limits, struct hoy_cgroup_stats *stats)
{
	for (; *text != '\0'; text = next_line(text)) {
		size_t len = strcspn(text, " \n");
		struct hoy_cgroup_rdma_stat *rdma;

		if (len == 0 || text[len] != ' ' || len >= sizeof rdma->device)
			continue;
		rdma = find_rdma(stats, text, len);
		if (rdma == NULL)
			return -ENOMEM;
		*(limits ? &rdma->handles_limit : &rdma->handles) = line_value(text + len + 1, "hca_handle");
		*(limits ? &rdma->objects_limit : &rdma->objects) = line_value(text + len + 1, "hca_object");
	}
	return 0;
}
