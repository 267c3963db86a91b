#include "supervisor/build/chmod.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

enum { USER = 1, GROUP = 2, OTHERS = 4 };

/* `bits` (rwx) for each of those in `who`. */
static mode_t spread(unsigned int who, mode_t bits)
{
	return (who & USER ? bits << 6 : 0) | (who & GROUP ? bits << 3 : 0) | (who & OTHERS ? bits : 0);
}

/* "ugo" or "a" in front of the operators. */
static const char *take_who(const char *at, unsigned int *ret)
{
	*ret = 0;
	for (;; at++)
		if (*at == 'u')
			*ret |= USER;
		else if (*at == 'g')
			*ret |= GROUP;
		else if (*at == 'o')
			*ret |= OTHERS;
		else if (*at == 'a')
			*ret = USER | GROUP | OTHERS;
		else
			return at;
}

/* What stands behind an operator: letters, or one of "ugo", whose bits are taken over. */
static const char *take_bits(const char *at, unsigned int who, mode_t mode, bool is_dir, mode_t *ret)
{
	*ret = 0;
	if (*at && strchr("ugo", *at)) {
		*ret = spread(who, mode >> (*at == 'u' ? 6 : *at == 'g' ? 3 : 0) & 07);
		return at + 1;
	}
	for (;; at++)
		switch (*at) {
		case 'r':
			*ret |= spread(who, 04);
			break;
		case 'w':
			*ret |= spread(who, 02);
			break;
		case 'X':
			*ret |= is_dir || (mode & 0111) ? spread(who, 01) : 0;
			break;
		case 'x':
			*ret |= spread(who, 01);
			break;
		case 's':
			*ret |= (who & USER ? 04000U : 0U) | (who & GROUP ? 02000U : 0U);
			break;
		case 't':
			*ret |= 01000;
			break;
		default:
			return at;
		}
}

/* What "=" takes away. A directory keeps its set-id bits, as with chmod(1). */
static mode_t span_of(unsigned int who, bool is_dir)
{
	mode_t bits = spread(who, 07) | (who == (USER | GROUP | OTHERS) ? 01000U : 0U);

	return is_dir ? bits : bits | (who & USER ? 04000U : 0U) | (who & GROUP ? 02000U : 0U);
}

int hoy_chmod_apply(const char *text, mode_t mode, bool is_dir, mode_t *ret)
{
	const char *at = text;

	if (*text >= '0' && *text <= '9')
		return hoy_str_to_mode(text, ret);
	do {
		unsigned int who;

		at = take_who(at, &who);
		who = who ? who : USER | GROUP | OTHERS;
		if (!*at || !strchr("+-=", *at))
			return -EINVAL;
		while (*at && strchr("+-=", *at)) {
			char operator= * at;
			mode_t bits;

			at = take_bits(at + 1, who, mode, is_dir, &bits);
			if (operator== '=')
				mode &= ~span_of(who, is_dir);
			mode = operator== '-' ? mode & ~bits : mode | bits;
		}
	} while (*at == ',' && at++);
	if (*at)
		return -EINVAL;
	*ret = mode;
	return 0;
}
