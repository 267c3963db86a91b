/* rtnetlink by hand: a handful of messages, for which a library would cost more than it saves. */
#include "runtime/apply/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define ANSWER_MAX ((size_t) 32768)
#define SEQUENCE 1

int hoy_netlink_open(struct hoy_err *err)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	auto_fd int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int yes = 1;

	if (sock < 0 || bind(sock, (const struct sockaddr *) &any, sizeof any) < 0)
		return hoy_err_sys(err, "rtnetlink socket");
	(void) setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
	(void) setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
	return TAKE_FD(sock);
}

static void add_padded(struct hoy_buf *msg, const void *data, size_t len)
{
	static const char zeros[NLMSG_ALIGNTO];

	(void) hoy_buf_add(msg, data, len);
	(void) hoy_buf_add(msg, zeros, NLMSG_ALIGN(len) - len);
}

void hoy_netlink_begin(struct hoy_buf *msg, uint16_t type, uint16_t flags, const void *fixed, size_t fixed_len)
{
	const struct nlmsghdr head = {
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags),
		.nlmsg_seq = SEQUENCE,
	};

	hoy_buf_clear(msg);
	add_padded(msg, &head, sizeof head);
	add_padded(msg, fixed, fixed_len);
}

void hoy_netlink_add(struct hoy_buf *msg, uint16_t attr, const void *data, size_t len)
{
	const struct rtattr head = { .rta_len = (unsigned short) RTA_LENGTH(len), .rta_type = attr };

	(void) hoy_buf_add(msg, &head, sizeof head);
	add_padded(msg, data, len);
}

void hoy_netlink_add_string(struct hoy_buf *msg, uint16_t attr, const char *text)
{
	hoy_netlink_add(msg, attr, text, strlen(text) + 1);
}

static const struct rtattr *find(const void *from, size_t len, uint16_t attr)
{
	const char *p = from;

	while (len >= sizeof(struct rtattr)) {
		const struct rtattr *a = (const void *) p;

		if (a->rta_len < sizeof *a || a->rta_len > len)
			return NULL;
		if ((a->rta_type & NLA_TYPE_MASK) == attr)
			return a;
		if (RTA_ALIGN(a->rta_len) >= len)
			return NULL;
		p += RTA_ALIGN(a->rta_len);
		len -= RTA_ALIGN(a->rta_len);
	}
	return NULL;
}

const struct rtattr *hoy_netlink_find(const struct nlmsghdr *msg, size_t fixed_len, uint16_t attr)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(fixed_len);

	return msg->nlmsg_len < skip ? NULL : find((const char *) msg + skip, msg->nlmsg_len - skip, attr);
}

/* The error code, and the sentence that many refusals carry since Linux 4.12. */
static int read_ack(const struct nlmsghdr *msg, struct hoy_err *err)
{
	const struct nlmsgerr *e = NLMSG_DATA(msg);
	const struct rtattr *text;

	if (msg->nlmsg_len < NLMSG_LENGTH(sizeof *e))
		return hoy_err_code(err, -EPROTO, "rtnetlink");
	if (!e->error)
		return 0;
	text = msg->nlmsg_flags & NLM_F_ACK_TLVS ? hoy_netlink_find(msg, sizeof *e, NLMSGERR_ATTR_MSG) : NULL;
	if (!text)
		return hoy_err_code(err, e->error, "rtnetlink");
	return hoy_err_code(err, e->error, "rtnetlink: %.*s", (int) RTA_PAYLOAD(text), (const char *) RTA_DATA(text));
}

/* One datagram. 1: more to come, 0: that was all, or -errno. */
static int read_messages(
	const char *data, size_t len, hoy_netlink_handler *handler, void *userdata, struct hoy_err *err)
{
	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *msg = (const void *) data;
		int r = 0;

		if (msg->nlmsg_len < sizeof *msg || msg->nlmsg_len > len)
			return hoy_err_code(err, -EPROTO, "rtnetlink");
		if (msg->nlmsg_type == NLMSG_ERROR)
			return read_ack(msg, err);
		if (msg->nlmsg_type == NLMSG_DONE)
			return 0;
		if (handler)
			r = handler(msg, userdata);
		if (r < 0)
			return hoy_err_code(err, r, "rtnetlink");
		if (NLMSG_ALIGN(msg->nlmsg_len) >= len)
			break;
		data += NLMSG_ALIGN(msg->nlmsg_len);
		len -= NLMSG_ALIGN(msg->nlmsg_len);
	}
	return 1;
}

int hoy_netlink_exchange(
	int sock, struct hoy_buf *msg, hoy_netlink_handler *handler, void *userdata, struct hoy_err *err)
{
	auto_free char *answer = malloc(ANSWER_MAX);
	int r = hoy_buf_check(msg, "rtnetlink request", err);

	if (r < 0)
		return r;
	if (!answer)
		return hoy_err_oom(err);
	((struct nlmsghdr *) (void *) msg->data)->nlmsg_len = (uint32_t) msg->len;
	if (send(sock, msg->data, msg->len, 0) < 0)
		return hoy_err_sys(err, "rtnetlink: send");
	do {
		ssize_t n = recv(sock, answer, ANSWER_MAX, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return hoy_err_sys(err, "rtnetlink: receive");
		r = read_messages(answer, (size_t) n, handler, userdata, err);
	} while (r > 0);
	return r;
}
