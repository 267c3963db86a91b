/* Endpoints of the Engine API that are known and not served, each refused by name. Swarm's answer as any node outside
 * a swarm does. */
#include "supervisor/api/internal.h"

static int not_implemented(struct hoy_api_request *rq, struct hoy_err *err)
{
	return hoy_err_unsupported(
		err, "%s %s is not implemented by this version of Hoy", hoy_http_method(rq->x), rq->route->pattern);
}

static int no_swarm(struct hoy_api_request *rq, struct hoy_err *err)
{
	(void) err;
	hoy_api_reply_error_status(rq, 503,
		"This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
		"node to swarm and try again.");
	return 0;
}

const struct hoy_api_route hoy_api_refused_routes[] = {
	{ "GET", "/images/{name}/attestations", not_implemented, 0, 0 },
	{ "GET", "/plugins/privileges", not_implemented, 0, 0 },
	{ "POST", "/plugins/pull", not_implemented, 0, 0 },
	{ "POST", "/plugins/create", not_implemented, 0, 0 },
	{ "POST", "/plugins/{name}/enable", not_implemented, 0, 0 },
	{ "POST", "/plugins/{name}/disable", not_implemented, 0, 0 },
	{ "POST", "/plugins/{name}/upgrade", not_implemented, 0, 0 },
	{ "POST", "/plugins/{name}/push", not_implemented, 0, 0 },
	{ "POST", "/plugins/{name}/set", not_implemented, 0, 0 },
	{ "PUT", "/volumes/{name}", no_swarm, 0, 0 },
	{ "GET", "/nodes", no_swarm, 0, 0 },
	{ "GET", "/nodes/{id}", no_swarm, 0, 0 },
	{ "DELETE", "/nodes/{id}", no_swarm, 0, 0 },
	{ "POST", "/nodes/{id}/update", no_swarm, 0, 0 },
	{ "GET", "/swarm", no_swarm, 0, 0 },
	{ "POST", "/swarm/init", not_implemented, 0, 0 },
	{ "POST", "/swarm/join", not_implemented, 0, 0 },
	{ "POST", "/swarm/leave", no_swarm, 0, 0 },
	{ "POST", "/swarm/update", no_swarm, 0, 0 },
	{ "GET", "/swarm/unlockkey", no_swarm, 0, 0 },
	{ "POST", "/swarm/unlock", no_swarm, 0, 0 },
	{ "GET", "/services", no_swarm, 0, 0 },
	{ "POST", "/services/create", no_swarm, 0, 0 },
	{ "GET", "/services/{id}/logs", no_swarm, 0, 0 },
	{ "GET", "/services/{id}", no_swarm, 0, 0 },
	{ "DELETE", "/services/{id}", no_swarm, 0, 0 },
	{ "POST", "/services/{id}/update", no_swarm, 0, 0 },
	{ "GET", "/tasks", no_swarm, 0, 0 },
	{ "GET", "/tasks/{id}/logs", no_swarm, 0, 0 },
	{ "GET", "/tasks/{id}", no_swarm, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
