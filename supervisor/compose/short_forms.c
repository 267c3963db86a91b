/* "8080:80/tcp", "data:/var/lib:ro", "./Dockerfile-directory" and their like become maps. */
#include "supervisor/compose/short_forms.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static struct hoy_node *oom(struct hoy_err *err)
{
	(void) hoy_err_oom(err);
	return NULL;
}

/* Adds a member; NULL text: nothing. Returns false when out of memory. */
static bool put(struct hoy_arena *arena, struct hoy_node *map, const char *key, const char *text)
{
	struct hoy_node *value;

	if (!text)
		return true;
	value = hoy_node_string(arena, text, map);
	if (!value)
		return false;
	hoy_node_set(map, key, value);
	return true;
}

static bool put_typed(
	struct hoy_arena *arena, struct hoy_node *map, const char *key, enum hoy_node_type type, const char *text)
{
	if (!put(arena, map, key, text))
		return false;
	hoy_node_get(map, key)->type = type;
	return true;
}

static struct hoy_node *one_member(
	struct hoy_arena *arena, const struct hoy_node *node, const char *key, struct hoy_err *err)
{
	struct hoy_node *map = hoy_node_new(arena, HOY_NODE_MAP, node);

	return map && put(arena, map, key, node->text) ? map : oom(err);
}

struct hoy_node *hoy_expand_build(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return one_member(arena, node, "context", err);
}

struct hoy_node *hoy_expand_extends(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return one_member(arena, node, "service", err);
}

struct hoy_node *hoy_expand_mount(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return one_member(arena, node, "source", err);
}

struct hoy_node *hoy_expand_env_file(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return one_member(arena, node, "path", err);
}

struct hoy_node *hoy_expand_include(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return one_member(arena, node, "path", err);
}

struct hoy_node *hoy_expand_ulimit(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *map = hoy_node_new(arena, HOY_NODE_MAP, node);

	return map && put_typed(arena, map, "single", node->type, node->text) ? map : oom(err);
}

/* "env_file: a" is a list of one. */
struct hoy_node *hoy_expand_env_files(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *list = hoy_node_new(arena, HOY_NODE_LIST, node), *item = hoy_expand_env_file(arena, node, err);

	if (!list || !item)
		return oom(err);
	hoy_node_add(list, item);
	return list;
}

/* --- Lists of names that become maps ---------------------------------------------------------- */

static struct hoy_node *names_to_map(
	struct hoy_arena *arena, const struct hoy_node *list, bool dependencies, struct hoy_err *err)
{
	struct hoy_node *map = hoy_node_new(arena, HOY_NODE_MAP, list);

	if (!map)
		return oom(err);
	hoy_node_each(item, list)
	{
		struct hoy_node *value = hoy_node_new(arena, dependencies ? HOY_NODE_MAP : HOY_NODE_NULL, item);

		if (!value)
			return oom(err);
		if (item->type != HOY_NODE_STRING) {
			hoy_node_invalid(item, err, "a name must be a string, not %s", hoy_node_type_name(item));
			return NULL;
		}
		if (dependencies && (!put(arena, value, "condition", "service_started") ||
					    !put_typed(arena, value, "required", HOY_NODE_BOOL, "true")))
			return oom(err);
		hoy_node_set(map, item->text, value);
	}
	return map;
}

struct hoy_node *hoy_expand_depends_on(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return names_to_map(arena, node, /* dependencies= */ true, err);
}

struct hoy_node *hoy_expand_networks(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return names_to_map(arena, node, /* dependencies= */ false, err);
}

struct hoy_node *hoy_expand_models(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	return names_to_map(arena, node, /* dependencies= */ false, err);
}

struct hoy_node *hoy_expand_gpus(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *list = hoy_node_new(arena, HOY_NODE_LIST, node),
			*item = hoy_node_new(arena, HOY_NODE_MAP, node);

	if (!list || !item || !put(arena, item, "count", "all"))
		return oom(err);
	if (strcmp(node->text, "all") != 0) {
		hoy_node_invalid(node, err, "gpus: \"%s\": \"all\", or a list of requests", node->text);
		return NULL;
	}
	hoy_node_add(list, item);
	return list;
}

/* external: {name: X}, of old files, comes as a map; the caller moves the name. */
struct hoy_node *hoy_expand_external(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *yes = hoy_node_string(arena, "true", node);

	if (!yes)
		return oom(err);
	yes->type = HOY_NODE_BOOL;
	return yes;
}

struct hoy_node *hoy_expand_device(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *map = hoy_node_new(arena, HOY_NODE_MAP, node);
	const char *source = node->text, *target = NULL, *permissions = NULL;
	char *copy = hoy_arena_strdup(arena, node->text), *colon;

	if (!map || !copy)
		return oom(err);
	/* vendor.com/class=name is a CDI device: kept whole. */
	source = target = copy;
	colon = strchr(copy, ':');
	if (colon) {
		*colon = '\0';
		target = colon + 1;
		colon = strchr(target, ':');
		if (colon) {
			*colon = '\0';
			permissions = colon + 1;
			if (strchr(permissions, ':')) {
				hoy_node_invalid(node, err, "device \"%s\": more than three parts", node->text);
				return NULL;
			}
		}
	}
	if (!*source || !*target) {
		hoy_node_invalid(node, err, "device \"%s\": an empty part", node->text);
		return NULL;
	}
	if (!put(arena, map, "source", source) || !put(arena, map, "target", target) ||
		!put(arena, map, "permissions", permissions ? permissions : "rwm"))
		return oom(err);
	return map;
}

/* --- Ports ------------------------------------------------------------------------------------------------------ */

struct port_range {
	unsigned int first, last;
};

static bool parse_range(const char *text, struct port_range *ret)
{
	char *copy = strdupa(text), *dash = strchr(copy, '-');

	if (dash)
		*dash++ = '\0';
	if (hoy_str_to_uint(copy, &ret->first) < 0)
		return false;
	ret->last = ret->first;
	if (dash && hoy_str_to_uint(dash, &ret->last) < 0)
		return false;
	return ret->first <= ret->last && ret->last <= 65535;
}

static struct hoy_node *bad_port(const struct hoy_node *node, const char *what, struct hoy_err *err)
{
	hoy_node_invalid(node, err, "invalid port \"%.200s\": %s", node->text, what);
	return NULL;
}

static bool add_port(struct hoy_arena *arena, struct hoy_node *list, const char *ip, unsigned int target,
	const char *published, const char *protocol)
{
	struct hoy_node *map = hoy_node_new(arena, HOY_NODE_MAP, list);
	char number[16];

	if (!map)
		return false;
	(void) snprintf(number, sizeof number, "%u", target);
	if (!put(arena, map, "mode", "ingress") || !put(arena, map, "host_ip", ip) ||
		!put_typed(arena, map, "target", HOY_NODE_INT, number) ||
		!put(arena, map, "published", published && *published ? published : NULL) ||
		!put(arena, map, "protocol", protocol))
		return false;
	hoy_node_add(list, map);
	return true;
}

/* The address in front of the last two parts; brackets of IPv6 go. False: it is none. */
static bool parse_address(char *text, char **ret)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	size_t len = strlen(text);

	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text[len - 1] = '\0';
		text++;
	}
	*ret = text;
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* [[IP:]published:]target[/protocol]; ranges make several ports. */
struct hoy_node *hoy_expand_port(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *list = hoy_node_new(arena, HOY_NODE_LIST, node);
	char *text = strlen(node->text) < 200 ? strdupa(node->text) : NULL;
	char *protocol, *target, *published = NULL, *ip = NULL, *colon;
	struct port_range inside, outside = {};

	if (!list)
		return oom(err);
	if (!text)
		return bad_port(node, "too long", err);
	protocol = strchr(text, '/');
	if (protocol) {
		*protocol++ = '\0';
		for (char *c = protocol; *c; c++)
			*c = (char) tolower((unsigned char) *c);
		if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0 && strcmp(protocol, "sctp") != 0)
			return bad_port(node, "the protocol is tcp, udp or sctp", err);
	}
	target = text;
	colon = strrchr(text, ':');
	if (colon) {
		*colon = '\0';
		target = colon + 1;
		published = text;
		colon = strrchr(text, ':');
		if (colon) {
			*colon = '\0';
			published = colon + 1;
			if (*text && !parse_address(text, &ip))
				return bad_port(node, "the address is none", err);
		}
	}
	if (!*target)
		return bad_port(node, "no port specified", err);
	if (!parse_range(target, &inside))
		return bad_port(node, "the container's port is a number up to 65535, or a range", err);
	if (published && *published && !parse_range(published, &outside))
		return bad_port(node, "the host's port is a number up to 65535, or a range", err);
	if (published && *published && inside.last != inside.first &&
		outside.last - outside.first != inside.last - inside.first)
		return bad_port(node, "the ranges have different lengths", err);
	for (unsigned int port = inside.first; port <= inside.last; port++) {
		char number[32];

		/* A host's range over one port of the container stays a range: the engine takes the first free one. */
		if (inside.first != inside.last)
			(void) snprintf(number, sizeof number, "%u", outside.first + port - inside.first);
		if (!add_port(arena, list, ip, port,
			    published && *published && inside.first != inside.last ? number : published,
			    protocol ? protocol : "tcp"))
			return oom(err);
	}
	return list;
}

/* --- Volumes ------------------------------------------------------------------------------------------------------ */

static bool is_path(const char *source)
{
	return strchr("./~", *source) || (source[0] == '\\' && source[1] == '\\') ||
	       (isalpha((unsigned char) source[0]) && source[1] == ':');
}

static bool put_in(struct hoy_arena *arena, struct hoy_node *map, const char *child, const char *key, const char *text,
	enum hoy_node_type type)
{
	struct hoy_node *inner = hoy_node_get(map, child);

	if (!inner) {
		inner = hoy_node_new(arena, HOY_NODE_MAP, map);
		if (!inner)
			return false;
		hoy_node_set(map, child, inner);
	}
	return !key || put_typed(arena, inner, key, type, text);
}

static bool volume_option(struct hoy_arena *arena, struct hoy_node *map, const char *option)
{
	static const char *const propagations[] = { "rprivate", "private", "rshared", "shared", "rslave", "slave" };

	if (!strcmp(option, "ro"))
		return put_typed(arena, map, "read_only", HOY_NODE_BOOL, "true");
	if (!strcmp(option, "nocopy"))
		return put_in(arena, map, "volume", "nocopy", "true", HOY_NODE_BOOL);
	if (!strcmp(option, "z") || !strcmp(option, "Z"))
		return put_in(arena, map, "bind", "selinux", option, HOY_NODE_STRING);
	for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
		if (!strcmp(option, propagations[i]))
			return put_in(arena, map, "bind", "propagation", option, HOY_NODE_STRING);
	return true;
}

/* "C:\\x", "c:/x:/y": a drive of Windows; "v:/x" is a volume with a short name. */
static bool is_drive(const char *text)
{
	const char *colon;

	if (!isalpha((unsigned char) text[0]) || text[1] != ':')
		return false;
	colon = strchr(text + 2, ':');
	return text[2] == '\\' || (text[2] == '/' && colon && colon[1] == '/');
}

/* The next part of a volume's short form. */
static char *volume_part(char **at)
{
	char *part = *at, *colon;

	if (!part)
		return NULL;
	colon = strchr(is_drive(part) ? part + 2 : part, ':');
	if (colon)
		*colon++ = '\0';
	*at = colon;
	return part;
}

static struct hoy_node *bad_volume(const struct hoy_node *node, const char *what, struct hoy_err *err)
{
	hoy_node_invalid(node, err, "invalid volume \"%.200s\": %s", node->text, what);
	return NULL;
}

/* [source:]target[:options] */
struct hoy_node *hoy_expand_volume(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err)
{
	struct hoy_node *map = hoy_node_new(arena, HOY_NODE_MAP, node);
	char *rest = hoy_arena_strdup(arena, node->text), *source, *target, *options;
	bool bind;

	if (!map || !rest)
		return oom(err);
	source = volume_part(&rest);
	target = volume_part(&rest);
	options = volume_part(&rest);
	if (!target) {
		target = source;
		source = NULL;
	}
	if (!*target || (source && !*source) || (options && !*options))
		return bad_volume(node, "empty section between colons", err);
	if (rest)
		return bad_volume(node, "too many colons", err);
	bind = source && is_path(source);
	if (!put(arena, map, "type", bind ? "bind" : "volume") || !put(arena, map, "source", source) ||
		!put(arena, map, "target", target) || !put_in(arena, map, bind ? "bind" : "volume", NULL, NULL, 0))
		return oom(err);
	for (char *save = NULL, *option = options ? strtok_r(options, ",", &save) : NULL; option;
		option = strtok_r(NULL, ",", &save))
		if (!volume_option(arena, map, option))
			return oom(err);
	return map;
}

/* --- Commands ----------------------------------------------------------------------------------------------------- */

/* One word's text is written over `out`; returns its end, NULL for unbalanced quotes. *at moves on. */
static char *copy_word(const char **at, char *out)
{
	const char *c = *at;
	char quote = '\0';

	for (; *c && (quote || !isspace((unsigned char) *c)); c++) {
		if (quote == '\'' ? *c == '\'' : quote && *c == quote)
			quote = '\0';
		else if (!quote && (*c == '"' || *c == '\''))
			quote = *c;
		else if (*c == '\\' && quote != '\'') {
			if (!c[1])
				return NULL;
			/* Between double quotes a backslash is one unless it stands before these. */
			if (quote && !strchr("\"\\$`\n", c[1]))
				*out++ = *c;
			*out++ = *++c;
		} else
			*out++ = *c;
	}
	*at = c;
	return quote ? NULL : out;
}

char **hoy_split_words(struct hoy_arena *arena, const struct hoy_node *node, const char *text, struct hoy_err *err)
{
	size_t len = strlen(text), n = 0;
	char *out = hoy_arena_alloc(arena, 2 * len + 2);
	char **words = hoy_arena_alloc(arena, (len / 2 + 2) * sizeof *words);

	if (!out || !words) {
		oom(err);
		return NULL;
	}
	for (;;) {
		while (isspace((unsigned char) *text))
			text++;
		if (!*text)
			return words;
		words[n++] = out;
		out = copy_word(&text, out);
		if (!out) {
			hoy_node_invalid(node, err,
				"invalid command line string: a quote is not closed, or nothing stands behind a \\");
			return NULL;
		}
		*out++ = '\0';
	}
}
