/* Containers as streams: wait, attach, logs. */
#ifndef HOY_API_CONTAINER_STREAMS_H
#define HOY_API_CONTAINER_STREAMS_H

#include "base/err.h"

struct hoy_api_request;

int hoy_api_container_wait(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_container_attach(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_container_attach_ws(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_container_stats(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_container_top(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_container_logs(struct hoy_api_request *rq, struct hoy_err *err);

#endif
