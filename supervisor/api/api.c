/* The API as an object: server, events, options. */
#include "supervisor/api/api.h"

#include "supervisor/api/attach_ws.h"
#include "supervisor/api/build_request.h"
#include "supervisor/api/events.h"
#include "supervisor/api/internal.h"
#include "supervisor/store/store.h"

int hoy_api_new(struct hoy_api **ret, const struct hoy_api_options *options, struct hoy_err *err)
{
	auto_ptr(hoy_api_free) struct hoy_api *api = calloc(1, sizeof *api);
	int r;

	if (!api)
		return hoy_err_oom(err);
	api->o = *options;
	r = hoy_api_events_new(&api->events, api, err);
	if (r >= 0)
		r = hoy_http_server_new(&api->server, options->loop, &hoy_api_hooks, api, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(api);
	return 0;
}

void hoy_api_free(struct hoy_api *api)
{
	if (!api)
		return;
	(void) hoy_store_flush(api->o.store, NULL); /* answers that wait for it */
	hoy_http_server_free(api->server);
	hoy_scopes_free(api);
	hoy_ws_relays_free(api);
	hoy_api_uploads_free(api);
	hoy_api_events_free(api->events);
	free(api);
}

int hoy_api_listen(struct hoy_api *api, int fd, struct hoy_err *err)
{
	return hoy_http_server_listen(api->server, fd, /* door= */ NULL, err);
}

int hoy_api_listen_metrics(struct hoy_api *api, int fd, struct hoy_err *err)
{
	static const struct hoy_api_door door = { HOY_DOOR_METRICS, NULL };

	return hoy_http_server_listen(api->server, fd, &door, err);
}

void hoy_api_stop(struct hoy_api *api)
{
	hoy_http_server_stop_listening(api->server);
	hoy_http_server_abort_streams(api->server);
	hoy_api_events_stop(api->events);
}

void hoy_api_set_debug(struct hoy_api *api, bool debug)
{
	api->o.debug = debug;
}

void hoy_api_set_labels(struct hoy_api *api, char *const *labels)
{
	api->o.labels = labels;
}
