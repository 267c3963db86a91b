/* Any bytes as a create request: what is accepted prints to a text that loads to the same text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "supervisor/container/config.h"
#include "supervisor/network/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = NULL, *again = NULL;
	auto_(hoy_buf_done) struct hoy_buf first = {}, second = {}, host = {};
	struct hoy_network_port *ports = NULL;
	size_t n_ports;

	if (hoy_container_config_parse((const char *) data, size, &config, NULL) < 0)
		return 0;
	assert(hoy_container_config_print(config, &first, NULL) >= 0);
	assert(hoy_container_config_load(first.data, &again, NULL) >= 0);
	assert(hoy_container_config_print(again, &second, NULL) >= 0);
	assert(strcmp(first.data, second.data) == 0);
	assert(hoy_container_config_print_host(config, &host, NULL) >= 0);
	assert(hoy_container_config_ports(config, &ports, &n_ports, NULL) >= 0);
	free(ports);
	return 0;
}
