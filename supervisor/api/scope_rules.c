/* The table of calls that scoped sockets know. */
#include "supervisor/api/scope_rules.h"

#include <string.h>

#include "base/defs.h"

static const char *const of_start[] = { "checkpoint", "checkpoint-dir", NULL };
static const char *const of_remove[] = { "link", NULL };
static const char *const of_pull[] = { "fromSrc", NULL };

#define CONTAINER HOY_SCOPE_CONTAINER
#define VOLUME HOY_SCOPE_VOLUME
#define NETWORK HOY_SCOPE_NETWORK
#define NOTHING HOY_SCOPE_NOTHING
#define IMAGE HOY_SCOPE_HOST_WIDE
#define PLAIN HOY_SCOPE_SHAPE_NONE
#define FILTERED HOY_SCOPE_FILTERED
#define AS_IT_IS HOY_SCOPE_BODY_AS_IT_IS

const struct hoy_scope_rule hoy_scope_rules[] = {
	{ "HEAD", "/_ping", NULL, NOTHING, PLAIN, 0, NULL },
	{ "GET", "/_ping", NULL, NOTHING, PLAIN, 0, NULL },
	{ "GET", "/version", NULL, NOTHING, PLAIN, 0, NULL },
	{ "GET", "/info", "system", NOTHING, PLAIN, 0, NULL },
	{ "GET", "/system/df", "system", NOTHING, PLAIN, HOY_SCOPE_UNLABELLED, NULL },
	{ "GET", "/events", "events", NOTHING, PLAIN, FILTERED, NULL },

	{ "GET", "/containers/json", "containers.read", NOTHING, PLAIN, FILTERED, NULL },
	{ "GET", "/containers/{id}/json", "containers.read", CONTAINER, PLAIN, 0, NULL },
	{ "GET", "/containers/{id}/stats", "containers.read", CONTAINER, PLAIN, 0, NULL },
	{ "GET", "/containers/{id}/top", "containers.read", CONTAINER, PLAIN, 0, NULL },
	{ "GET", "/containers/{id}/logs", "containers.read", CONTAINER, PLAIN, 0, NULL },
	{ "GET", "/containers/{id}/changes", "containers.read", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/wait", "containers.read", CONTAINER, PLAIN, 0, NULL },

	{ "POST", "/containers/create", "containers.write", NOTHING, HOY_SCOPE_SHAPE_CONTAINER, 0, NULL },
	{ "POST", "/containers/{id}/start", "containers.write", CONTAINER, PLAIN, 0, of_start },
	{ "POST", "/containers/{id}/stop", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/restart", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/kill", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/rename", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/pause", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/unpause", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/resize", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "POST", "/containers/{id}/update", "containers.write", CONTAINER, HOY_SCOPE_SHAPE_UPDATE, 0, NULL },
	{ "POST", "/containers/{id}/attach", "containers.write", CONTAINER, PLAIN, 0, NULL },
	{ "GET", "/containers/{id}/attach/ws", "containers.write", CONTAINER, PLAIN, HOY_SCOPE_BOTH_WAYS, NULL },
	{ "DELETE", "/containers/{id}", "containers.write", CONTAINER, PLAIN, 0, of_remove },
	{ "POST", "/containers/prune", "containers.write", NOTHING, PLAIN, FILTERED, NULL },

	{ "HEAD", "/containers/{id}/archive", "containers.files", CONTAINER, PLAIN, 0, NULL },
	{ "GET", "/containers/{id}/archive", "containers.files", CONTAINER, PLAIN, 0, NULL },
	{ "PUT", "/containers/{id}/archive", "containers.files", CONTAINER, PLAIN, AS_IT_IS, NULL },
	{ "GET", "/containers/{id}/export", "containers.files", CONTAINER, PLAIN, 0, NULL },

	{ "POST", "/containers/{id}/exec", "exec", CONTAINER, HOY_SCOPE_SHAPE_EXEC, 0, NULL },
	{ "POST", "/exec/{id}/start", "exec", HOY_SCOPE_EXEC, PLAIN, AS_IT_IS, NULL },
	{ "POST", "/exec/{id}/resize", "exec", HOY_SCOPE_EXEC, PLAIN, 0, NULL },
	{ "GET", "/exec/{id}/json", "exec", HOY_SCOPE_EXEC, PLAIN, 0, NULL },

	{ "GET", "/images/json", "images.read", NOTHING, PLAIN, 0, NULL },
	{ "GET", "/images/{name}/json", "images.read", IMAGE, PLAIN, 0, NULL },
	{ "GET", "/images/{name}/history", "images.read", IMAGE, PLAIN, 0, NULL },
	{ "GET", "/images/get", "images.read", NOTHING, PLAIN, 0, NULL },
	{ "GET", "/images/{name}/get", "images.read", IMAGE, PLAIN, 0, NULL },
	{ "POST", "/images/create", "images.pull", NOTHING, PLAIN, 0, of_pull },
	{ "GET", "/images/search", "images.pull", NOTHING, PLAIN, 0, NULL },
	{ "GET", "/distribution/{name}/json", "images.pull", IMAGE, PLAIN, 0, NULL },
	{ "POST", "/auth", "images.pull", NOTHING, PLAIN, AS_IT_IS, NULL },
	{ "POST", "/images/{name}/push", "images.push", IMAGE, PLAIN, 0, NULL },
	{ "POST", "/images/load", "images.write", NOTHING, PLAIN, AS_IT_IS, NULL },
	{ "POST", "/images/{name}/tag", "images.write", IMAGE, PLAIN, 0, NULL },
	{ "DELETE", "/images/{name}", "images.write", IMAGE, PLAIN, 0, NULL },
	{ "POST", "/images/prune", "images.write", NOTHING, PLAIN, 0, NULL },

	{ "POST", "/build", "build", NOTHING, PLAIN, AS_IT_IS, NULL },
	{ "POST", "/build/prune", "build", NOTHING, PLAIN, 0, NULL },
	{ "POST", "/build/cancel", "build", NOTHING, PLAIN, 0, NULL },
	{ "POST", "/session", "build", NOTHING, PLAIN, AS_IT_IS, NULL },
	{ "POST", "/grpc", "build", NOTHING, PLAIN, AS_IT_IS, NULL },

	{ "GET", "/volumes", "volumes.read", NOTHING, PLAIN, FILTERED, NULL },
	{ "GET", "/volumes/{name}", "volumes.read", VOLUME, PLAIN, 0, NULL },
	{ "GET", "/volumes/{name}/export", "volumes.read", VOLUME, PLAIN, 0, NULL },
	{ "POST", "/volumes/create", "volumes.write", NOTHING, HOY_SCOPE_SHAPE_VOLUME, 0, NULL },
	{ "POST", "/volumes/{name}/rename", "volumes.write", VOLUME, PLAIN, 0, NULL },
	{ "DELETE", "/volumes/{name}", "volumes.write", VOLUME, PLAIN, 0, NULL },
	{ "POST", "/volumes/prune", "volumes.write", NOTHING, PLAIN, FILTERED, NULL },

	{ "GET", "/networks", "networks.read", NOTHING, PLAIN, FILTERED, NULL },
	{ "GET", "/networks/{id}", "networks.read", NETWORK, PLAIN, 0, NULL },
	{ "POST", "/networks/create", "networks.write", NOTHING, HOY_SCOPE_SHAPE_NETWORK, 0, NULL },
	{ "POST", "/networks/{id}/connect", "networks.write", NETWORK, HOY_SCOPE_SHAPE_CONNECT, 0, NULL },
	{ "POST", "/networks/{id}/disconnect", "networks.write", NETWORK, HOY_SCOPE_SHAPE_CONNECT, 0, NULL },
	{ "DELETE", "/networks/{id}", "networks.write", NETWORK, PLAIN, 0, NULL },
	{ "POST", "/networks/prune", "networks.write", NOTHING, PLAIN, FILTERED, NULL },
};
const size_t hoy_scope_rules_n = ARRAY_LEN(hoy_scope_rules);

const struct hoy_scope_rule *hoy_scope_rule_find(const char *method, const char *pattern)
{
	for (size_t i = 0; i < hoy_scope_rules_n; i++)
		if (!strcmp(hoy_scope_rules[i].method, method) && !strcmp(hoy_scope_rules[i].pattern, pattern))
			return &hoy_scope_rules[i];
	return NULL;
}
