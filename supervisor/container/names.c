/* Container names: which are allowed, and made-up ones: an adjective and a word of the harbour. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/container/internal.h"

static const char *const adjectives[] = { "able", "agile", "amber", "ample", "apt", "ardent", "azure", "balmy", "bold",
	"brave", "breezy", "bright", "brisk", "calm", "candid", "clear", "clever", "coastal", "cosy", "crisp", "deft",
	"eager", "early", "easy", "fair", "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand",
	"hale", "happy", "hardy", "jolly", "keen", "kind", "light", "lively", "lucky", "mellow", "merry", "mild",
	"misty", "neat", "nimble", "noble", "placid", "plucky", "polite", "proud", "quick", "quiet", "ready", "rosy",
	"salty", "sandy", "serene", "sharp", "silver", "sleek", "smooth", "snug", "solid", "sound", "spry", "stable",
	"staunch", "steady", "sunny", "sure", "swift", "tidal", "tidy", "trim", "trusty", "upbeat", "vivid", "warm",
	"wise", "witty", "zesty" };
static const char *const nouns[] = { "anchor", "barge", "barque", "beacon", "berth", "boom", "bowline", "brig", "buoy",
	"capstan", "cargo", "cleat", "clipper", "cockle", "compass", "cove", "coxswain", "crane", "crew", "current",
	"cutter", "deck", "dinghy", "dock", "dory", "eddy", "ferry", "fjord", "galley", "gannet", "gull", "halyard",
	"harbour", "hatch", "hawser", "heron", "hoist", "hull", "inlet", "jetty", "jib", "kayak", "keel", "ketch",
	"lagoon", "lantern", "ledger", "lighter", "lock", "lugger", "mast", "mooring", "oar", "osprey", "paddle",
	"pelican", "pennant", "pier", "pilot", "plover", "port", "prow", "puffin", "quay", "reef", "rigging", "rudder",
	"sail", "schooner", "scow", "sextant", "shoal", "skiff", "sloop", "spar", "stern", "tern", "tide", "tiller",
	"tug", "wake", "wharf", "wherry", "winch", "yawl" };

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int hoy_container_name_check(const char *name, struct hoy_err *err)
{
	size_t len = strlen(name);
	bool good = len >= 2 && is_alnum(name[0]);

	for (size_t i = 1; i < len && good; i++)
		good = is_alnum(name[i]) || strchr("_.-", name[i]);
	if (good)
		return 0;
	return hoy_err_invalid(err, "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
}

char *hoy_container_name_random(unsigned int attempt)
{
	uint16_t dice[3];
	const char *adjective, *noun;

	hoy_random(dice, sizeof dice);
	adjective = adjectives[dice[0] % ARRAY_LEN(adjectives)];
	noun = nouns[dice[1] % ARRAY_LEN(nouns)];
	if (attempt < 2)
		return hoy_str_printf("%s_%s", adjective, noun);
	return hoy_str_printf("%s_%s%u", adjective, noun, dice[2] % (attempt < 20 ? 10u : 65536u));
}
