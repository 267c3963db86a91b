/* Weights and rates of block devices, which a client names by their paths. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "supervisor/container/config.h"
#include "supervisor/container/spec.h"

static int device_number(const char *path, int64_t *ret_major, int64_t *ret_minor, struct hoy_err *err)
{
	struct stat st;

	if (stat(path ? path : "", &st) < 0)
		return hoy_err_sys(err, "block device '%s'", path ? path : "");
	if (!S_ISBLK(st.st_mode))
		return hoy_err_invalid(err, "'%s' is no block device", path);
	*ret_major = major(st.st_rdev);
	*ret_minor = minor(st.st_rdev);
	return 0;
}

static int add_rates(struct hoy_oci_throttle_device **list, size_t *n, const struct hoy_container_throttle_device *from,
	size_t n_from, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n_from && r >= 0; i++) {
		struct hoy_oci_throttle_device *to = hoy_field_add(list, n);

		if (!to)
			return hoy_err_oom(err);
		to->rate = from[i].rate;
		r = device_number(from[i].path, &to->major, &to->minor, err);
	}
	return r;
}

static int add_weights(struct hoy_oci_block_io *io, const struct hoy_container_host_config *host, struct hoy_err *err)
{
	int r = 0;

	if (host->blkio_weight) {
		io->weight = hoy_field_new(uint16_t, (uint16_t) host->blkio_weight);
		r = io->weight ? 0 : hoy_err_oom(err);
	}
	for (size_t i = 0; i < host->n_blkio_weight_device && r >= 0; i++) {
		struct hoy_oci_weight_device *to = hoy_field_add(&io->weight_device, &io->n_weight_device);

		if (to)
			to->weight = hoy_field_new(uint16_t, (uint16_t) host->blkio_weight_device[i].weight);
		if (!to || !to->weight)
			return hoy_err_oom(err);
		r = device_number(host->blkio_weight_device[i].path, &to->major, &to->minor, err);
	}
	return r;
}

int hoy_spec_add_block_io(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &input->config->host;
	struct hoy_oci_block_io *io;
	int r;

	if (!host->blkio_weight && !host->n_blkio_weight_device && !host->n_blkio_read_bps &&
		!host->n_blkio_write_bps && !host->n_blkio_read_iops && !host->n_blkio_write_iops)
		return 0;
	io = spec->linux_->resources->block_io = calloc(1, sizeof *io);
	if (!io)
		return hoy_err_oom(err);
	r = add_weights(io, host, err);
	if (r >= 0)
		r = add_rates(&io->throttle_read_bps_device, &io->n_throttle_read_bps_device, host->blkio_read_bps,
			host->n_blkio_read_bps, err);
	if (r >= 0)
		r = add_rates(&io->throttle_write_bps_device, &io->n_throttle_write_bps_device, host->blkio_write_bps,
			host->n_blkio_write_bps, err);
	if (r >= 0)
		r = add_rates(&io->throttle_read_iops_device, &io->n_throttle_read_iops_device, host->blkio_read_iops,
			host->n_blkio_read_iops, err);
	if (r >= 0)
		r = add_rates(&io->throttle_write_iops_device, &io->n_throttle_write_iops_device,
			host->blkio_write_iops, host->n_blkio_write_iops, err);
	return r;
}
