/* libnftables: context, transactions, error texts. Knows no ruleset. */
#include "supervisor/worker/net/firewall.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <string.h>

struct hoy_firewall {
	struct nft_ctx *nft;
};

int hoy_firewall_new(struct hoy_firewall **ret, struct hoy_err *err)
{
	auto_ptr(hoy_firewall_free) struct hoy_firewall *firewall = calloc(1, sizeof *firewall);

	if (!firewall)
		return hoy_err_oom(err);
	firewall->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!firewall->nft || nft_ctx_buffer_output(firewall->nft) != 0 || nft_ctx_buffer_error(firewall->nft) != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "no nftables context");
	*ret = TAKE_PTR(firewall);
	return 0;
}

void hoy_firewall_free(struct hoy_firewall *firewall)
{
	if (!firewall)
		return;
	if (firewall->nft)
		nft_ctx_free(firewall->nft);
	free(firewall);
}

int hoy_firewall_run(struct hoy_firewall *firewall, const struct hoy_buf *text, struct hoy_err *err)
{
	const char *why;
	int r = hoy_buf_check(text, "nftables change", err);

	if (r < 0 || text->len == 0)
		return r;
	errno = 0;
	r = nft_run_cmd_from_buffer(firewall->nft, text->data);
	/* Reading the buffers also empties them for the next run. */
	(void) nft_ctx_get_output_buffer(firewall->nft);
	why = nft_ctx_get_error_buffer(firewall->nft);
	if (r == 0)
		return 0;
	return hoy_err_set(err, HOY_ERR_SYSTEM, errno ? errno : EIO, "nftables: %.*s", (int) strcspn(why, "\n"), why);
}

const char *hoy_firewall_list(struct hoy_firewall *firewall, const char *command)
{
	int r = nft_run_cmd_from_buffer(firewall->nft, command);

	(void) nft_ctx_get_error_buffer(firewall->nft);
	return r == 0 ? nft_ctx_get_output_buffer(firewall->nft) : NULL;
}
