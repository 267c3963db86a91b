/* supervisor/cli/template*.c, tabs.c: what users write behind --format. */
#include "supervisor/cli/template.h"

#include <string.h>

#include "base/str.h"
#include "supervisor/cli/tabs.h"
#include "tests/unit/unit.h"

Suite *suite_cli_template(void);

static const char data[] =
	"{\"Id\":\"0123456789abcdef\",\"Name\":\"/web\",\"Count\":3,\"Share\":0.5,\"Big\":1e+30,\"Up\":true,\"None\":null,"
	"\"Config\":{\"Env\":[\"A=1\",\"B=2\"],\"Labels\":{\"x.y\":\"z\",\"a\":\"<b>\"}},"
	"\"Ports\":{\"80/tcp\":[{\"HostPort\":\"8080\"}],\"81/tcp\":null},\"Empty\":{},\"List\":[1,2,3],\"Label\":{\"k\":\"v\"}}";

struct row {
	const char *template, *want;
};

/* Runs the template strictly; what it makes, or its error. Heap. */
static char *run(const char *text, const struct hoy_template_options *options)
{
	auto_ptr(hoy_json_free) struct hoy_json *json = NULL;
	auto_ptr(hoy_template_free) struct hoy_template *template = NULL;
	struct hoy_buf out = {};
	struct hoy_err err;

	ck_assert_int_eq(hoy_json_parse(data, strlen(data), NULL, &json, NULL), 0);
	(void) hoy_buf_adds(&out, "");
	if (hoy_template_parse(text, &template, &err) < 0 ||
		hoy_template_run(template, json, options, &out, &err) < 0) {
		hoy_buf_clear(&out);
		(void) hoy_buf_adds(&out, hoy_err_str(&err));
	}
	return hoy_buf_take(&out);
}

static void check(const struct row *rows, size_t n)
{
	const struct hoy_template_options strict = { .strict = true };

	for (size_t i = 0; i < n; i++) {
		auto_free char *got = run(rows[i].template, &strict);

		ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s\n  gives %s\n  not   %s", rows[i].template, got,
			rows[i].want);
	}
}
#define CHECK(...)                                                                                                     \
	check((const struct row[]){ __VA_ARGS__ }, sizeof((const struct row[]){ __VA_ARGS__ }) / sizeof(struct row))

START_TEST(fields_literals_and_pipes)
{
	CHECK({ "{{.Name}}", "/web" }, { "a{{.Count}}b{{ .Share }}c", "a3b0.5c" }, { "{{.Big}} {{.Up}}", "1e+30 true" },
		{ "{{.None}}", "<no value>" }, { "{{.Config.Labels.a}}", "<b>" },
		{ "{{.Config.Labels.nosuch}}", "<no value>" }, { "{{.Config.Env}}", "[A=1 B=2]" },
		{ "{{.Config.Labels}}", "map[a:<b> x.y:z]" },
		{ "{{.Ports}}", "map[80/tcp:[map[HostPort:8080]] 81/tcp:<nil>]" },
		{ "{{\"a\\tb\\u00e9\"}}{{`c\\d`}}", "a\tb\xc3\xa9"
						    "c\\d" },
		{ "{{'a'}} {{0x1F}} {{1_000}} {{-2}} {{1.50}}", "97 31 1000 -2 1.5" },
		{ "{{.Name | upper | printf \"%s-%s\" \"x\"}}", "x-/WEB" }, { "{{(index .Config.Env 0)}}", "A=1" },
		{ "{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080" }, { "{{$.Name}}", "/web" },
		{ "{{with .Config}}{{$.Name}}{{len .Env}}{{end}}", "/web2" },
		{ "{{.Label \"k\"}}{{.Label \"nosuch\"}}", "v" });
}
END_TEST

START_TEST(blocks_variables_and_flow)
{
	CHECK({ "{{if .Up}}up{{else}}down{{end}}", "up" }, { "{{if .None}}a{{else if .Empty}}b{{else}}c{{end}}", "c" },
		{ "{{range .List}}{{.}},{{end}}", "1,2,3," },
		{ "{{range $i, $v := .Config.Env}}{{$i}}={{$v}};{{end}}", "0=A=1;1=B=2;" },
		{ "{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:<b> x.y:z " },
		{ "{{range .Empty}}x{{else}}none{{end}}", "none" },
		{ "{{range $p, $c := .Ports}}{{$p}} {{(index $c 0).HostPort}}{{break}}{{end}}", "80/tcp 8080" },
		{ "{{range .List}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}", "13" },
		{ "{{with .None}}a{{else}}b{{end}}", "b" }, { "{{with $x := .Count}}{{$x}}{{.}}{{end}}", "33" },
		{ "{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2" },
		{ "{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1" }, { "a {{- /* no */ -}} b", "ab" },
		{ "a\n{{- .Count -}}\n b", "a3b" }, { "{{/* note */}}x", "x" }, { "{{range 3}}{{.}}{{end}}", "012" });
}
END_TEST

START_TEST(functions_do_what_gos_and_dockers_do)
{
	CHECK({ "{{json .Config.Labels}}", "{\"x.y\":\"z\",\"a\":\"<b>\"}" },
		{ "{{json .Name}} {{json .None}} {{json .Count}}", "\"/web\" null 3" },
		{ "{{join .Config.Env \" \"}}", "A=1 B=2" },
		{ "{{split \"a,b\" \",\"}}{{len (split \"a,b\" \",\")}}", "[a b]2" },
		{ "{{upper \"aB\"}}{{lower \"aB\"}}{{title \"ab cd\"}}", "ABabAb Cd" },
		{ "{{pad \"x\" 2 1}}|{{pad \"\" 1 1}}|", "  x ||" },
		{ "{{truncate .Id 4}} {{truncate \"ab\" 9}}", "0123 ab" }, { "{{println .Count .Name}}", "3 /web\n" },
		{ "{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3" },
		{ "{{len .Name}} {{len .List}} {{len .Config.Labels}}", "4 3 2" },
		{ "{{index .Config.Labels \"x.y\"}}{{index .Config.Labels \"no\"}}", "z" },
		{ "{{slice .Id 0 4}} {{slice .List 1}} {{slice .Id 12}}", "0123 [2 3] cdef" },
		{ "{{eq .Count 3}} {{eq .Name \"a\" \"/web\"}} {{ne .Count 3}}", "true true false" },
		{ "{{lt 1 2}} {{le 2 2}} {{gt 1.5 1}} {{ge \"a\" \"b\"}}", "true true true false" },
		{ "{{and .Up .Count}} {{and .None .Count}} {{or .None \"x\"}} {{not .Up}}", "3 <no value> x false" },
		{ "{{printf \"%.12s|%-5s|%5d|%05d|%q|%v|%x|%.2f|%t|%c|%U|%%\" .Id \"ab\" 7 7 \"q\" .List 255 .Share true 65 65}}",
			"0123456789ab|ab   |    7|00007|\"q\"|[1 2 3]|ff|0.50|true|A|U+0041|%" },
		{ "{{printf \"%d %s\" \"x\"}}", "%!d(string=x) %!s(MISSING)" },
		{ "{{printf \"%s\" \"a\" 1}}", "a%!(EXTRA int=1)" });
}
END_TEST

START_TEST(errors_have_a_position_and_gos_words)
{
	CHECK({ "{{", "template: :1: unclosed action" }, { "a\n{{.Foo", "template: :2: unclosed action" },
		{ "{{foo}}", "template: :1: function \"foo\" not defined" },
		{ "{{.Nope}}", "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"" },
		{ "{{.Config.Nope}}",
			"template: :1:9: executing \"\" at <.Config.Nope>: map has no entry for key \"Nope\"" },
		{ "{{.Name.Nope}}",
			"template: :1:7: executing \"\" at <.Name.Nope>: can't evaluate field Nope in type interface {}" },
		{ "{{(index (index .Ports \"81/tcp\") 0).HostPort}}",
			"template: :1:3: executing \"\" at <index (index .Ports ...>: error calling index: index of untyped nil" },
		{ "{{index .List 5}}",
			"template: :1:2: executing \"\" at <index .List 5>: error calling index: index out of range: 5" },
		{ "{{range .Name}}{{end}}",
			"template: :1:8: executing \"\" at <.Name>: range can't iterate over /web" },
		{ "{{end}}", "template: :1: unexpected {{end}}" }, { "{{if .Up}}", "template: :1: unexpected EOF" },
		{ "{{$x}}", "template: :1: undefined variable \"$x\"" },
		{ "{{}}", "template: :1: missing value for command" },
		{ "{{if}}{{end}}", "template: :1: missing value for if" },
		{ "{{\"a}}", "template: :1: unterminated quoted string" },
		{ "{{break}}", "template: :1: {{break}} outside {{range}}" },
		{ "{{/* a", "template: :1: unclosed comment" },
		{ "{{eq 1 \"a\"}}",
			"template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: incompatible types for comparison" },
		{ "{{define \"x\"}}{{end}}", "template: :1: {{define}} is not supported by this version" },
		{ "{{(.Name}}", "template: :1: unclosed left paren" });
}
END_TEST

START_TEST(the_head_of_a_table_stays_as_it_is)
{
	const struct hoy_template_options heads = { .heads = true };
	auto_free char *got = run(
		"{{upper .Name}} {{json .Name}} {{.Label \"a.b-c\"}} {{truncate .Id 2}} {{.Nope}}", &heads);

	ck_assert_str_eq(got, "/web /web b c 0123456789abcdef <no value>");
}
END_TEST

START_TEST(endless_templates_end)
{
	auto_free char *got = run("{{range 100000}}{{range 100000}}{{end}}{{end}}", NULL);

	ck_assert(strstr(got, "the template takes too long"));
}
END_TEST

START_TEST(tabs_become_columns)
{
	auto_(hoy_buf_done) struct hoy_buf out = {}, blocks = {};

	hoy_tabs_align("ID\tNAME\tX\n1\ta long name\t\xe2\x80\xa6\n", &out);
	ck_assert_str_eq(out.data, "ID        NAME          X\n1         a long name   \xe2\x80\xa6\n");
	hoy_tabs_align("a\tb\nplain\nlonger than ten\tc", &blocks);
	ck_assert_str_eq(blocks.data, "a         b\nplain\nlonger than ten   c");
}
END_TEST

Suite *suite_cli_template(void)
{
	const TTest *const tests[] = { fields_literals_and_pipes, blocks_variables_and_flow,
		functions_do_what_gos_and_dockers_do, errors_have_a_position_and_gos_words,
		the_head_of_a_table_stays_as_it_is, endless_templates_end, tabs_become_columns };

	return hoy_unit_suite("cli template", tests, ARRAY_LEN(tests));
}
