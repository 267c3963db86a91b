/* Published ports of a container that is there: `update` puts others in their place, at once while it runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/network/network.h"

struct publishing {
	struct hoy_containers *room;
	char id[65];  /* the container may be gone when the answer comes */
	char *former; /* its PortBindings until now */
	hoy_container_done done;
	void *userdata;
};

static void publishing_free(struct publishing *p)
{
	free(p->former);
	free(p);
}

/* The other way round too: text and row change together. */
static int say(struct hoy_container *c, char **bindings, struct hoy_err *err)
{
	char *now = c->config->host.port_bindings;
	int r;

	c->config->host.port_bindings = *bindings;
	*bindings = now;
	r = hoy_container_config_save(c, err);
	if (r < 0) {
		*bindings = c->config->host.port_bindings;
		c->config->host.port_bindings = now;
	}
	return r;
}

static void on_published(void *userdata, const struct hoy_err *err)
{
	struct publishing *p = userdata;
	struct hoy_container *c = NULL;
	struct hoy_err own = {};

	if (hoy_containers_lookup(p->room, p->id, &c, NULL) >= 0) {
		c->ports_busy = false;
		if (!err)
			hoy_container_publish(c, "update", NULL);
		else if (say(c, &p->former, &own) < 0)
			hoy_log_err(&own, "container '%s': published ports", p->id);
	}
	hoy_done_later(p->room, p->done, p->userdata, err);
	publishing_free(p);
}

static int check(const struct hoy_container *c, struct hoy_err *err)
{
	if (hoy_container_mode_names(c->config->host.network_mode))
		return hoy_err_conflict(
			err, "container %s has another's network: ports are published by that one", c->info.name);
	if (hoy_str_eq(c->config->host.network_mode, "host"))
		return hoy_err_conflict(
			err, "container %s has the host's network: it has no ports of its own", c->info.name);
	if (c->config->host.standby)
		return hoy_err_conflict(err, "container %s stands by for another, which has the ports", c->info.name);
	return 0;
}

/* `bindings`: JSON text, taken over on success. */
static int begin(struct hoy_container *c, char **bindings, struct publishing *p, struct hoy_err *err)
{
	auto_free struct hoy_network_port *ports = NULL;
	auto_fd int netns = -EBADF;
	size_t n = 0;
	int r = hoy_container_open_netns(c, &netns, err);

	if (r >= 0)
		r = say(c, bindings, err);
	if (r < 0)
		return r;
	r = hoy_container_config_ports(c->config, &ports, &n, err);
	if (r >= 0)
		r = hoy_network_publish(c->room->options.networks, c->info.id, ports, n, netns, on_published, p, err);
	if (r < 0)
		(void) say(c, bindings, NULL);
	return r;
}

int hoy_container_update_ports(
	struct hoy_container *c, const char *bindings, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	auto_free char *text = strdup(bindings);
	struct publishing *p;
	int r = text ? check(c, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	p = calloc(1, sizeof *p);
	if (!p)
		return hoy_err_oom(err);
	*p = (struct publishing){ .room = c->room, .done = done, .userdata = userdata };
	memcpy(p->id, c->info.id, sizeof p->id);
	r = begin(c, &text, p, err);
	if (r < 0) {
		publishing_free(p);
		return r;
	}
	p->former = TAKE_PTR(text);
	c->ports_busy = true;
	return 0;
}
