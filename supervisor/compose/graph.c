/*
 * graph: the project drawn. As text, a tree of what depends on what; for graphviz; or as SVG, services in layers, each
 * below what needs it, and the volumes under them. It reads files and asks no engine.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/app.h"
#include "supervisor/compose/project.h"

struct graph_options {
	const char *format;
};
static const struct graph_options graph_defaults = { .format = "text" };
static const struct hoy_option graph_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct graph_options, format,
		"How it is drawn. Values: [text | dot | svg] (default \"text\")"),
	HOY_OPTION_END,
};

/* "healthy" of "service_healthy"; NULL for what is usual. */
static const char *condition_of(const struct hoy_compose_dependency *d)
{
	const char *text = hoy_str_starts(d->condition, "service_") ? d->condition + strlen("service_") : d->condition;

	return strcmp(text, "started") == 0 ? NULL : text;
}

/* --- text -------------------------------------------------------------------- */

static bool is_needed(const struct hoy_compose_project *project, const char *service)
{
	hoy_compose_each(struct hoy_compose_service, s, project->services)
	{
		hoy_compose_each(struct hoy_compose_dependency, d, s->depends_on)
		{
			if (strcmp(d->name, service) == 0)
				return true;
		}
	}
	return false;
}

struct tree {
	const struct hoy_compose_project *project;
	struct hoy_buf *out;
	struct hoy_buf indent;
	char **seen;
};

/* What a service depends on, below it; a service that was told with its own before is told without them. */
static void print_below(struct tree *t, const struct hoy_compose_service *service)
{
	size_t len = t->indent.len;

	if (hoy_strv_has(t->seen, service->name))
		return;
	(void) hoy_strv_add(&t->seen, service->name);
	for (struct hoy_compose_dependency **d = service->depends_on; d && *d; d++) {
		const struct hoy_compose_service *s = hoy_compose_service_find(t->project, (*d)->name);
		const char *condition = condition_of(*d);

		(void) hoy_buf_addf(t->out, "%.*s%s %s%s%s%s\n", (int) len, len ? t->indent.data : "",
			d[1] ? "├─" : "└─", (*d)->name, condition ? " (" : "", condition ? condition : "",
			condition ? ")" : "");
		if (!s)
			continue;
		(void) hoy_buf_adds(&t->indent, d[1] ? "│  " : "   ");
		print_below(t, s);
		t->indent.len = len;
	}
}

static void print_text(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	struct tree t = { .project = project, .out = out };

	hoy_compose_each(struct hoy_compose_service, s, project->services)
	{
		if (is_needed(project, s->name))
			continue;
		(void) hoy_buf_addf(out, "%s\n", s->name);
		print_below(&t, s);
	}
	hoy_buf_done(&t.indent);
	hoy_strv_free(t.seen);
}

/* --- dot --------------------------------------------------------------------- */

static void print_dot_volumes(const struct hoy_compose_service *s, struct hoy_buf *out)
{
	hoy_compose_each(struct hoy_compose_service_volume, v, s->volumes)
	{
		if (v->source && strcmp(v->type, "volume") == 0)
			(void) hoy_buf_addf(
				out, "  \"%s\" -> \"volume %s\" [style=dashed, arrowhead=none];\n", s->name, v->source);
	}
}

static void print_dot(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	(void) hoy_buf_addf(out, "digraph \"%s\" {\n  node [shape=box];\n", project->name);
	hoy_compose_each(struct hoy_compose_service, s, project->services)(void)
		hoy_buf_addf(out, "  \"%s\";\n", s->name);
	hoy_compose_each(struct hoy_compose_network, n, project->networks)(void)
		hoy_buf_addf(out, "  \"network %s\" [shape=ellipse, label=\"%s\"];\n", n->name, n->name);
	hoy_compose_each(struct hoy_compose_volume, v, project->volumes)(void)
		hoy_buf_addf(out, "  \"volume %s\" [shape=cylinder, label=\"%s\"];\n", v->name, v->name);
	hoy_compose_each(struct hoy_compose_service, from, project->services)
	{
		hoy_compose_each(struct hoy_compose_dependency, d, from->depends_on)
		{
			const char *condition = condition_of(d);

			(void) hoy_buf_addf(out, "  \"%s\" -> \"%s\"", from->name, d->name);
			if (condition)
				(void) hoy_buf_addf(out, " [label=\"%s\"]", condition);
			(void) hoy_buf_adds(out, ";\n");
		}
		hoy_compose_each(struct hoy_compose_service_network, n, from->networks)(void) hoy_buf_addf(
			out, "  \"%s\" -> \"network %s\" [style=dotted, arrowhead=none];\n", from->name, n->name);
		print_dot_volumes(from, out);
	}
	(void) hoy_buf_adds(out, "}\n");
}

/* --- svg --------------------------------------------------------------------- */

#define BOX_WIDTH 150
#define BOX_HEIGHT 40
#define STEP_X (BOX_WIDTH + 30)
#define STEP_Y (BOX_HEIGHT + 60)

struct box {
	const char *name;
	size_t layer, place;
	bool volume;
};

struct drawing {
	const struct hoy_compose_project *project;
	struct box *boxes;
	size_t n, services; /* services stand first */
};

static struct box *box_of(struct drawing *d, const char *name, bool volume)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->boxes[i].volume == volume && strcmp(d->boxes[i].name, name) == 0)
			return &d->boxes[i];
	return NULL;
}

/* What is needed stands lower than who needs it. The loader has refused circles, so this ends. */
static void layer(struct drawing *d)
{
	bool moved = true;
	size_t lowest = 0;

	for (size_t round = 0; moved && round <= d->services; round++) {
		moved = false;
		hoy_compose_each(struct hoy_compose_service, s, d->project->services)
		{
			const struct box *from = box_of(d, s->name, false);

			hoy_compose_each(struct hoy_compose_dependency, on, s->depends_on)
			{
				struct box *to = box_of(d, on->name, false);

				if (!from || !to || to->layer > from->layer)
					continue;
				to->layer = from->layer + 1;
				moved = true;
			}
		}
	}
	for (size_t i = 0; i < d->services; i++)
		lowest = MAX(lowest, d->boxes[i].layer);
	for (size_t i = d->services; i < d->n; i++)
		d->boxes[i].layer = lowest + 1;
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < i; k++)
			d->boxes[i].place += d->boxes[k].layer == d->boxes[i].layer;
}

static void draw_line(struct hoy_buf *out, const struct box *from, const struct box *to, const char *look)
{
	if (from && to)
		(void) hoy_buf_addf(out, "<line x1=\"%zu\" y1=\"%zu\" x2=\"%zu\" y2=\"%zu\" stroke=\"#555\"%s/>\n",
			20 + from->place * STEP_X + BOX_WIDTH / 2, 20 + from->layer * STEP_Y + BOX_HEIGHT,
			20 + to->place * STEP_X + BOX_WIDTH / 2, 20 + to->layer * STEP_Y, look);
}

static void draw_lines(struct drawing *d, struct hoy_buf *out)
{
	hoy_compose_each(struct hoy_compose_service, s, d->project->services)
	{
		hoy_compose_each(struct hoy_compose_dependency, on, s->depends_on) draw_line(
			out, box_of(d, s->name, false), box_of(d, on->name, false), " marker-end=\"url(#a)\"");
		hoy_compose_each(struct hoy_compose_service_volume, v, s->volumes)
		{
			if (v->source && strcmp(v->type, "volume") == 0)
				draw_line(out, box_of(d, s->name, false), box_of(d, v->source, true),
					" stroke-dasharray=\"4\"");
		}
	}
}

/* Names of services and volumes are letters, digits, '.', '_' and '-': nothing to escape. */
static void draw_boxes(const struct drawing *d, struct hoy_buf *out)
{
	for (size_t i = 0; i < d->n; i++) {
		size_t x = 20 + d->boxes[i].place * STEP_X, y = 20 + d->boxes[i].layer * STEP_Y;

		(void) hoy_buf_addf(out,
			"<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" rx=\"%d\" fill=\"%s\" stroke=\"#333\"/>\n"
			"<text x=\"%zu\" y=\"%zu\" text-anchor=\"middle\">%.20s</text>\n",
			x, y, BOX_WIDTH, BOX_HEIGHT, d->boxes[i].volume ? BOX_HEIGHT / 2 : 4,
			d->boxes[i].volume ? "#eee" : "#def", x + BOX_WIDTH / 2, y + BOX_HEIGHT / 2 + 5,
			d->boxes[i].name);
	}
}

static int print_svg(const struct hoy_compose_project *project, struct hoy_buf *out, struct hoy_err *err)
{
	struct drawing d = { .project = project };
	size_t width = 1, height = 1, volumes = 0;

	hoy_compose_each(struct hoy_compose_volume, counted, project->volumes) volumes += counted != NULL;
	d.boxes = calloc(project->n_services + volumes + 1, sizeof *d.boxes);
	if (!d.boxes)
		return hoy_err_oom(err);
	hoy_compose_each(struct hoy_compose_service, s, project->services) d.boxes[d.n++].name = s->name;
	d.services = d.n;
	hoy_compose_each(struct hoy_compose_volume, v, project->volumes)
		d.boxes[d.n++] = (struct box){ .name = v->name, .volume = true };
	layer(&d);
	for (size_t i = 0; i < d.n; i++) {
		width = MAX(width, d.boxes[i].place + 1);
		height = MAX(height, d.boxes[i].layer + 1);
	}
	(void) hoy_buf_addf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" font-family=\"sans-serif\" font-size=\"14\">\n"
		"<defs><marker id=\"a\" viewBox=\"0 0 10 10\" refX=\"10\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" "
		"orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"#555\"/></marker></defs>\n",
		40 + width * STEP_X, 40 + height * STEP_Y);
	draw_lines(&d, out);
	draw_boxes(&d, out);
	(void) hoy_buf_adds(out, "</svg>\n");
	free(d.boxes);
	return 0;
}

/* --- the command ------------------------------------------------------------- */

static int graph(struct hoy_compose *app, const struct graph_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	int r = hoy_compose_select(app->project, app->cli->args, /* no_deps= */ false, err);

	if (r < 0)
		return r;
	hoy_compose_prune(app->project);
	if (strcmp(o->format, "text") == 0)
		print_text(app->project, &out);
	else if (strcmp(o->format, "dot") == 0)
		print_dot(app->project, &out);
	else if (strcmp(o->format, "svg") == 0)
		r = print_svg(app->project, &out, err);
	else
		return hoy_err_invalid(err, "unknown format \"%s\": text, dot or svg", o->format);
	if (r == 0)
		r = hoy_buf_check(&out, "the drawing", err);
	if (r == 0 && out.len)
		(void) fputs(out.data, stdout);
	return r;
}

static int cmd_graph(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, HOY_COMPOSE_NO_CONTAINERS, cli->args, &app, &err);

	if (r == 0)
		r = app.project ? graph(&app, cli->values, &err)
				: hoy_err_invalid(&err, "graph needs the project's file");
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_graph = {
	.name = "compose graph",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Draw what depends on what",
	.options = graph_options,
	.values_size = sizeof(struct graph_options),
	.defaults = &graph_defaults,
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_graph,
};
